import { definePlugin, type Request, reply } from 'postern/sdk'

export default definePlugin({
  name: 'key-auth',
  description: 'Admits requests that carry a known API key and names the consumer.',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['keys'],
    properties: {
      header: {
        type: 'string',
        pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
        default: 'x-api-key',
        description: 'Request header that carries the key.',
      },
      keys: {
        type: 'object',
        minProperties: 1,
        // Repeated header lines arrive joined by ", ": without commas and spaces two halves never make a key.
        propertyNames: { pattern: '^[^\\s,]+$' },
        additionalProperties: { type: 'string', maxLength: 256, pattern: '^[!-~]([ -~]*[!-~])?$' },
        description: 'Key → name of the consumer.',
      },
      hide: { type: 'boolean', default: true, description: 'Removes the key before the request is forwarded.' },
      preflight: {
        type: 'string',
        enum: ['refuse', 'pass'],
        default: 'refuse',
        description: 'Whether CORS preflights, to which browsers add no key, pass without one.',
      },
    },
  },
  reads: ({ header, preflight }) => [
    `header:${header}`,
    ...(preflight === 'pass' ? (['method', 'header:origin', 'header:access-control-request-method'] as const) : []),
  ],
  writes: ({ header, hide }) => ['consumer', 'header:x-consumer', ...(hide ? ([`header:${header}`] as const) : [])],
  onRequest({ request, options }) {
    const key = request.header(options.header)
    // hasOwn: every object inherits `constructor`, which is not a key.
    const consumer = key !== undefined && Object.hasOwn(options.keys, key) ? options.keys[key] : undefined
    if (consumer === undefined) {
      if (options.preflight === 'pass' && isPreflight(request)) return request.removeHeader('x-consumer')
      const title = key === undefined ? 'API key missing' : 'unknown API key'
      return reply(401, { title }, { 'www-authenticate': 'ApiKey' })
    }
    request.consumer = consumer
    if (options.hide) request.removeHeader(options.header)
    request.setHeader('x-consumer', consumer)
  },
})

/** As browsers send it (Fetch Standard, §3.2): any other OPTIONS request needs a key. */
function isPreflight(request: Request): boolean {
  const { method } = request
  return method === 'OPTIONS' && !!request.header('origin') && !!request.header('access-control-request-method')
}
