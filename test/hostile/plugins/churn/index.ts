import { definePlugin } from 'postern/sdk'

const kept: string[] = []

/** Carries ballast, so that an isolate that is not let go of shows; says which configuration it runs under. */
export default definePlugin({
  name: 'churn',
  options: {
    type: 'object',
    additionalProperties: false,
    properties: { version: { type: 'integer', default: 0, description: 'Number of the configuration.' } },
  },
  writes: ['header:x-version'],
  needs: ['digest'],
  async onRequest({ request, options, digest }) {
    if (kept.length < 100) kept.push('ballast'.repeat(100))
    await digest.sha256('a')
    request.setHeader('x-version', String(options.version))
  },
})
