import { definePlugin } from 'postern/sdk'

export default definePlugin({
  name: 'sticky-cookie',
  description: 'Keeps a client on the backend that answered it first, by a signed cookie.',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['secret'],
    properties: {
      secret: { type: 'string', minLength: 16, description: 'Signs the cookie; must be the same on every gateway.' },
      cookie: {
        type: 'string',
        pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
        default: 'postern_sticky',
        description: 'Name of the cookie.',
      },
      maxAge: {
        type: 'integer',
        minimum: 1,
        description: 'Lifetime of the cookie, seconds. Default: until the browser closes.',
      },
      path: {
        type: 'string',
        pattern: '^/[!-:<-~]*$',
        default: '/',
        description: 'Path prefix for which the client sends the cookie.',
      },
      secure: { type: 'boolean', default: true, description: 'Whether the client sends the cookie only over https.' },
      sameSite: {
        type: 'string',
        enum: ['Strict', 'Lax', 'None'],
        default: 'Lax',
        description: 'Whether the client sends the cookie with requests from other sites.',
      },
    },
  },
  reads({ cookie, secure, sameSite }) {
    if (sameSite === 'None' && !secure) throw new Error('browsers drop "sameSite": "None" without "secure": true')
    return [`cookie:${cookie}`, 'backend']
  },
  writes: ['response.header:set-cookie'],
  needs: ['digest'],
  async onRequest({ request, options, digest }) {
    const [id = '', mac, ...rest] = request.cookie(options.cookie)?.split('.') ?? []
    if (mac === undefined || rest.length > 0) return
    if (await digest.verify(options.secret, id, mac)) request.state = id
  },
  selectBackend({ backends, state }) {
    return backends.find(({ id }) => id === state)
  },
  async onResponse({ response, backend, options, digest, state }) {
    // No backend: the gateway answered. The same backend: the client has the cookie already.
    if (backend === undefined || backend.id === state) return
    const { secret, cookie, maxAge, path, secure, sameSite } = options
    const parts = [`${cookie}=${backend.id}.${await digest.hmac(secret, backend.id)}`, `Path=${path}`]
    if (maxAge !== undefined) parts.push(`Max-Age=${maxAge}`)
    if (secure) parts.push('Secure')
    parts.push('HttpOnly', `SameSite=${sameSite}`)
    response.appendHeader('set-cookie', parts.join('; '))
  },
})
