import { definePlugin, reply } from 'postern/sdk'

/** Looks names of the client up in its options, and in an object of its own, without a thought for `constructor`. */
export default definePlugin({
  name: 'careless',
  options: {
    type: 'object',
    additionalProperties: false,
    properties: {
      keys: {
        type: 'object',
        additionalProperties: { type: 'string' },
        default: {},
        description: 'Token → who holds it.',
      },
    },
  },
  reads: ['header:*', 'query'],
  onRequest({ request, options }) {
    const keys = options.keys as Record<string, string>
    const from = [request.header('x-token'), request.cookie('token'), request.parameter('token')]
    return reply(200, {
      known: from.map((token) => (token === undefined ? null : (keys[token] ?? null))),
      own: Object.keys(keys),
      headers: request.headers().filter(([name]) => ['constructor', '__proto__', 'tostring'].includes(name)),
      named: ['constructor', '__proto__', 'toString', 'valueOf', 'hasOwnProperty'].map((name) => [
        request.header(name) ?? null,
        request.cookie(name) ?? null,
        request.parameter(name) ?? null,
      ]),
    })
  },
})
