/** A response made by a plugin. Returned from a *first* hook it ends that hook; on L4 it closes the connection. */
export interface Reply {
  readonly reply: true
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
  /** Text for the log: the title of the problem, if it has one. */
  readonly reason: string
}

/** Members of an RFC 9457 problem document; any other member is an extension. `status` is filled in. */
export interface Problem {
  /** Short, the same for every occurrence: `unknown API key`. */
  readonly title?: string
  /** What is particular to this occurrence. The client reads it: never put internals or secrets here. */
  readonly detail?: string
  /** URI that identifies the kind of problem. Default: `about:blank`. */
  readonly type?: string
  readonly [member: string]: unknown
}

/**
 * Makes a response.
 *
 * ```ts
 * return reply(401, { title: 'unknown API key' })
 * return reply(204)
 * return reply(302, '', { location: '/login' })
 * ```
 *
 * @param status 200 to 599. A status outside that range throws a `RangeError`.
 * @param body a string is sent as `text/plain; charset=utf-8`; an object as `application/problem+json` (RFC 9457) when
 *   the status is 400 or more, as `application/json` otherwise. Default: no body.
 * @param headers added unchanged; a `content-type` here replaces the default one.
 */
export function reply(status: number, body: string | Problem = '', headers: Record<string, string> = {}): Reply {
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
    lines.push([lower, String(headers[name])])
  }
  if (type !== '') lines.unshift(['content-type', type])
  return { reply: true, status, headers: lines, body: text, reason }
}
