import { definePlugin } from 'postern/sdk'

/** As little as a plugin can do that reads and writes something. */
export default definePlugin({
  name: 'mark',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['header'],
    properties: { header: { type: 'string', description: 'Request header that is written.' } },
  },
  reads: ['header:accept'],
  writes: ({ header }) => [`header:${header}`],
  onRequest({ request, options }) {
    request.setHeader(options.header, request.header('accept') === undefined ? 'no' : 'yes')
  },
})
