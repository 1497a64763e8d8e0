/**
 * A response made by a plugin. `onConnect`, `onRequest` and `onResponse` may return one. On L4 it closes the
 * connection, and the client receives nothing of it.
 */
export interface Reply {
  readonly reply: true
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
  /** Text for the log: the title of the problem document; empty without one. */
  readonly reason: string
}

/**
 * Members of an RFC 9457 problem document; any other member is an extension. `reply` adds `status` unless it is given.
 */
export interface Problem {
  /** Short text that is the same for every occurrence of the problem: `unknown API key`. */
  readonly title?: string
  /** Text about this occurrence. The client can read it: never put internals or secrets here. */
  readonly detail?: string
  /** URI that identifies the kind of problem. Without it the kind is `about:blank` (RFC 9457). */
  readonly type?: string
  readonly [member: string]: unknown
}

/**
 * The headers of a reply, by name. `set-cookie` may have a list, which becomes one line for each cookie (RFC 6265 §3); any
 * other header has one string.
 */
export interface ReplyHeaders {
  readonly [name: string]: string | readonly string[]
}

/**
 * Makes a response.
 *
 * ```ts
 * return reply(401, { title: 'unknown API key' })
 * return reply(204)
 * return reply(302, '', { location: '/login' })
 * return reply(302, '', { location: '/', 'set-cookie': ['session=1; HttpOnly', 'theme=dark'] })
 * ```
 *
 * @param status a whole number, 200 to 599.
 * @param body a string is sent as `text/plain; charset=utf-8`; an object as `application/problem+json` (RFC 9457) when
 *   the status is 400 or more, as `application/json` otherwise. Default: no body.
 * @param headers sent with their names in lower case. A `content-type` here replaces the default one. Default: none.
 * @throws {RangeError} when the status is not in that range.
 * @throws {TypeError} when the value of a header is not a string, or a list of strings for `set-cookie`.
 */
export function reply(status: number, body: string | Problem = '', headers: ReplyHeaders = {}): Reply {
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new RangeError(`reply: the status must be a whole number from 200 to 599, not ${String(status)}`)
  }
  const lines: [string, string][] = []
  let type = ''
  let text = ''
  let reason = ''
  if (typeof body === 'string') {
    text = body
    if (body !== '') type = 'text/plain; charset=utf-8'
  } else if (status >= 400) {
    text = JSON.stringify({ title: body.title, status, ...body })
    type = 'application/problem+json'
    reason = body.title ?? ''
  } else {
    text = JSON.stringify(body)
    type = 'application/json'
  }
  for (const name of Object.keys(headers)) {
    const lower = name.toLowerCase()
    if (lower === 'content-type') type = ''
    const value = headers[name]
    if (typeof value === 'string') lines.push([lower, value])
    else if (lower === 'set-cookie' && isTexts(value)) for (const one of value) lines.push([lower, one])
    else throw new TypeError(`reply: ${refused(name, value)}`)
  }
  if (type !== '') lines.unshift(['content-type', type])
  return { reply: true, status, headers: lines, body: text, reason }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

function refused(name: string, value: unknown): string {
  const kind = typeof value
  const other = kind === 'object' ? 'an object' : `a ${kind}`
  const found = Array.isArray(value) ? 'a list' : value === null || value === undefined ? String(value) : other
  return name.toLowerCase() === 'set-cookie'
    ? `the header "${name}" must be a string or a list of strings, not ${found}${Array.isArray(value) ? ' of something else' : ''}`
    : `the header "${name}" must be a string, not ${found}`
}
