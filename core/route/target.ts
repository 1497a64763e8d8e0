import { type Authority, parseAuthority } from './authority.ts'
import { codeOf, scanPath } from './path.ts'

/**
 * The target of a request, parsed once. Routing, plugins, the log and the request sent upstream all use it. The path
 * and the query are never rewritten, so that all of them see the same target; a path that would need it is refused.
 */
export interface Target {
  /** Lower-case host, and the port if one was sent: the `Host` that is sent upstream. */
  readonly authority: string
  /** Lower case, no port, no trailing dot; IPv6 in brackets. */
  readonly host: string
  /** Begins with `/`, percent-encoded as sent; `*` for `OPTIONS *`. */
  readonly path: string
  /** Without the `?`; empty when absent. */
  readonly query: string
  /** True when there is a `?`: distinguishes `/a?` from `/a`. */
  readonly hasQuery: boolean
  /** Path and query exactly as they are sent upstream. */
  readonly full: string
  /** Only for an ambiguous path that the route allows: all interpretations that a backend may have, percent-decoded. */
  readonly interpretations?: readonly string[]
}

/** Why a target is refused: malformed (`DPE`), or with more than one interpretation (`PN`). The text is for the log. */
export interface TargetProblem {
  readonly problem: string
  readonly code: 'DPE' | 'PN'
}

/**
 * Parses the target of a request in origin-form, in absolute-form (its host replaces that of `Host`) or, for OPTIONS,
 * in asterisk-form. CONNECT is refused.
 *
 * @param raw the request-target of the request line, or `:path` of HTTP/2
 * @param hosts the value of every `Host` line, or `:authority` of HTTP/2; exactly one is allowed
 * @param scheme the one that the client used; an absolute-form with another scheme is refused
 * @param allowed bits of `PathException`: ambiguities of the path that are not refused
 */
export function parseTarget(
  method: string,
  raw: string,
  hosts: readonly string[],
  scheme: 'http' | 'https',
  allowed = 0,
): Target | TargetProblem {
  if (method === 'CONNECT') return malformed('CONNECT is not served')
  if (hosts.length !== 1) return malformed(hosts.length === 0 ? 'there is no Host' : 'there is more than one Host')
  const authority = parseAuthority(hosts[0]!)
  if ('problem' in authority) return authority
  if (raw.charCodeAt(0) === 0x2f) return readPath(raw, authority, allowed)
  if (raw === '*' && method === 'OPTIONS') return asterisk(authority)
  return readAbsolute(method, raw, scheme, allowed)
}

function readAbsolute(method: string, raw: string, scheme: 'http' | 'https', allowed: number): Target | TargetProblem {
  const from = scheme.length + 3
  if (raw.slice(0, from).toLowerCase() !== `${scheme}://`) {
    return malformed(`the target is neither a path nor a URL that begins with ${scheme}://`)
  }
  let to = from
  while (to < raw.length && raw[to] !== '/' && raw[to] !== '?') to++
  const authority = parseAuthority(raw.slice(from, to))
  if ('problem' in authority) return authority
  // RFC 9112 §3.2.4: clients send OPTIONS * to a proxy in this form.
  if (to === raw.length && method === 'OPTIONS') return asterisk(authority)
  const full = raw[to] === '/' ? raw.slice(to) : `/${raw.slice(to)}`
  return readPath(full, authority, allowed)
}

function readPath(full: string, { authority, host }: Authority, allowed: number): Target | TargetProblem {
  const end = scanPath(full, 0, allowed)
  if (typeof end !== 'number') return end
  if (end === full.length) return { authority, host, path: full, query: '', hasQuery: false, full }
  for (let i = end + 1; i < full.length; i++) {
    const code = full.charCodeAt(i)
    if (code <= 0x20 || code >= 0x7f || code === 0x23)
      return malformed(`the query has the character ${codeOf(full, i)}`)
  }
  const path = full.slice(0, end)
  return { authority, host, path, query: full.slice(end + 1), hasQuery: true, full }
}

function asterisk({ authority, host }: Authority): Target {
  return { authority, host, path: '*', query: '', hasQuery: false, full: '*' }
}

function malformed(problem: string): TargetProblem {
  return { problem, code: 'DPE' }
}
