import { definePlugin, reply } from 'postern/sdk'

export default definePlugin({
  name: 'key-auth',
  description: 'Admits requests that carry a known API key and names the consumer.',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['keys'],
    properties: {
      header: { type: 'string', default: 'x-api-key', description: 'Request header that carries the key.' },
      keys: { type: 'object', additionalProperties: { type: 'string' }, description: 'Key → consumer name.' },
    },
  },
  reads: (options) => [`header:${options.header}`],
  writes: ['header:x-consumer', 'consumer'],
  onRequest({ request, options }) {
    const key = request.header(options.header) ?? ''
    const consumer = Object.hasOwn(options.keys, key) ? options.keys[key] : undefined
    if (consumer === undefined) return reply(401, { title: 'unknown API key' }, { 'www-authenticate': 'ApiKey' })
    request.consumer = consumer
    request.setHeader('x-consumer', consumer)
  },
})
