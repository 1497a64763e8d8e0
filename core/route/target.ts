import type { HttpVersion } from '../http/exchange.ts'
import { textOf } from '../http/field-text.ts'
import { type Authority, parseAuthority } from './authority.ts'
import { codeOf, pathProblem, plainPathEnd } from './path.ts'

/**
 * The target of a request, parsed once. Routing, plugins, the log and the request sent upstream all use it. The path and the
 * query are never rewritten, so that all of them see the same target.
 */
export interface Target {
  /** Lower-case host, and the port if one was sent: the `Host` that is sent upstream. Empty when the request names no host. */
  readonly authority: string
  /** Lower case, no port, no trailing dot; IPv6 in brackets. Empty when the request names no host. */
  readonly host: string
  /**
   * Begins with `/`, percent-encoded as sent; `*` for `OPTIONS *`. Octets above 0x7F that are not encoded are read as UTF-8,
   * as ISO-8859-1 where they are not UTF-8.
   */
  readonly path: string
  /** Without the `?`; empty when absent. Octets above 0x7F as in `path`. */
  readonly query: string
  /** True when there is a `?`: distinguishes `/a?` from `/a`. */
  readonly hasQuery: boolean
  /** Path and query exactly as they are sent upstream, one character for each octet. */
  readonly full: string
  /** Whether every server reads the same path in it; see `plainPathEnd`. */
  readonly isPlain: boolean
  /** All paths that a backend may read in a path that is not plain, percent-decoded; set when the request is located. */
  readonly interpretations?: readonly string[]
}

/** Why a target is refused: malformed (`DPE`), or its interpretations disagree (`PN`). The text is for the log. */
export interface TargetProblem {
  readonly problem: string
  readonly code: 'DPE' | 'PN'
}

/** What a target is read from. */
export interface TargetSource {
  readonly method: string
  /** The request-target of the request line, or `:path` of HTTP/2: one character for each octet. */
  readonly raw: string
  /** The value of every `Host` line, or `:authority` of HTTP/2. */
  readonly hosts: readonly string[]
  /** Only HTTP/1.0 may leave out `Host` (RFC 9112 §3.2). */
  readonly version: HttpVersion
  /** An absolute-form with another scheme is refused (RFC 9110 §7.4). */
  readonly schemes: readonly string[]
}

const noHost: Authority = { authority: '', host: '', port: undefined }

/**
 * Parses the target of a request in origin-form, in absolute-form (its host replaces that of `Host`) or, for OPTIONS, in
 * asterisk-form. CONNECT is refused. More than one `Host` is refused, even the same one twice. A request may name no host:
 * with an empty `Host`, or with HTTP/1.0 and none.
 */
export function parseTarget(source: TargetSource): Target | TargetProblem {
  const { method, raw } = source
  if (method === 'CONNECT') return malformed('CONNECT is not served')
  const authority = readHost(source)
  if ('problem' in authority) return authority
  if (raw.charCodeAt(0) === 0x2f) return readPath(raw, authority)
  if (raw === '*' && method === 'OPTIONS') return asterisk(authority)
  return readAbsolute(source)
}

function readHost({ hosts, version }: TargetSource): Authority | TargetProblem {
  if (hosts.length > 1) return malformed('there is more than one Host')
  const host = hosts[0]
  if (host === undefined) return version === '1.0' ? noHost : malformed('there is no Host')
  return host === '' ? noHost : parseAuthority(host)
}

function readAbsolute({ method, raw, schemes }: TargetSource): Target | TargetProblem {
  const colon = raw.indexOf('://')
  if (colon === -1 || !schemes.includes(raw.slice(0, colon).toLowerCase())) {
    const urls = schemes.map((scheme) => `${scheme}://`).join(' or ')
    return malformed(`the target is neither a path nor a URL that begins with ${urls}`)
  }
  const from = colon + 3
  let to = from
  while (to < raw.length && raw[to] !== '/' && raw[to] !== '?') to++
  const authority = parseAuthority(raw.slice(from, to))
  if ('problem' in authority) return authority
  // RFC 9112 §3.2.4: clients send OPTIONS * to a proxy in this form.
  if (to === raw.length && method === 'OPTIONS') return asterisk(authority)
  return readPath(raw[to] === '/' ? raw.slice(to) : `/${raw.slice(to)}`, authority)
}

function readPath(full: string, { authority, host }: Authority): Target | TargetProblem {
  const plain = plainPathEnd(full)
  const isPlain = plain !== -1
  let end = plain
  if (!isPlain) {
    end = full.indexOf('?')
    if (end === -1) end = full.length
    const problem = pathProblem(full.slice(0, end))
    if (problem !== undefined) return problem
  }
  if (end === full.length)
    return { authority, host, path: pathText(full, isPlain), query: '', hasQuery: false, full, isPlain }
  for (let i = end + 1; i < full.length; i++) {
    const code = full.charCodeAt(i)
    if (code <= 0x20 || code === 0x7f || code === 0x23 || code > 0xff)
      return malformed(`the query has the character ${codeOf(full, i)}`)
  }
  const path = pathText(full.slice(0, end), isPlain)
  const query = full.slice(end + 1)
  return { authority, host, path, query: textOf(query), hasQuery: true, full, isPlain }
}

/** A plain path is ASCII. */
function pathText(path: string, isPlain: boolean): string {
  return isPlain ? path : textOf(path)
}

function asterisk({ authority, host }: Authority): Target {
  return { authority, host, path: '*', query: '', hasQuery: false, full: '*', isPlain: true }
}

function malformed(problem: string): TargetProblem {
  return { problem, code: 'DPE' }
}
