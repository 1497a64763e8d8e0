import { parseLength } from '../http/body-length.ts'
import { kinds, TARGET } from '../http/characters.ts'
import { isToken } from '../http/field-problem.ts'
import { Fields } from '../http/fields.ts'
import { Malformed } from '../http/malformed.ts'
import { problemOfField } from './field-check.ts'
import { markedIn } from './never-indexed.ts'

/** Most fields of a request's head, and of its trailers. */
const maxFields = 200

/** The head of a request. An extended CONNECT (RFC 8441 §5) is what it would be in HTTP/1.1: a GET that asks for an upgrade. */
export interface RequestHead {
  readonly method: string
  /** `:path`; of a CONNECT `:authority`. */
  readonly target: string
  /** `host` is the first one. */
  readonly fields: Fields
  /** What `content-length` says; `undefined` without it. */
  readonly length: number | undefined
  /** Of an extended CONNECT: `websocket`. */
  readonly protocol: string | undefined
}

const pseudoTwice = new Malformed('a pseudo-header occurs twice')
const pseudoLate = new Malformed('a pseudo-header follows a header')
const pseudoUnknown = new Malformed('a pseudo-header of the request is not known')
const pseudoInTrailers = new Malformed('a pseudo-header is among the trailers')
const framingTrailer = new Malformed('a trailer is Content-Length')
const incomplete = new Malformed('":method", ":scheme" or ":path" is missing')
const badMethod = new Malformed('":method" is not a token')
const badPath = new Malformed('":path" is neither a path nor, of OPTIONS, "*"')
const badTarget = new Malformed('":path" has a character that is not allowed in a URL')
const badScheme = new Malformed('":scheme" is neither "http" nor "https"')
const badConnect = new Malformed('a CONNECT has ":authority" and neither ":scheme" nor ":path"')
const badProtocol = new Malformed('":protocol" is not of an extended CONNECT')
const twoHosts = new Malformed('Host occurs twice, or differs from ":authority"')
const noHost = new Malformed('":authority" and Host are missing')
const badAuthority = new Malformed('":authority" or Host is empty, or not a host and a port')
const badLength = new Malformed('Content-Length is not one decimal number in its shortest form')
const noBody = new Malformed('Content-Length announces a body, and the request has none')
const tooMany = new Malformed(`more than ${maxFields} header fields`, 431)

const pseudo: ReadonlyMap<string, number> = new Map([
  [':method', 0],
  [':scheme', 1],
  [':authority', 2],
  [':path', 3],
  [':protocol', 4],
])

/**
 * Reads the head of a request (RFC 9113 §8.3.1, RFC 8441 §4).
 *
 * @param list name, value, name, value, as the header block had them
 * @param isEnd whether the request has no body
 */
export function readRequestHead(list: readonly string[], isEnd: boolean): RequestHead | Malformed {
  const found: (string | undefined)[] = [undefined, undefined, undefined, undefined, undefined]
  let at = 0
  for (; at < list.length && list[at]!.charCodeAt(0) === 0x3a; at += 2) {
    const which = pseudo.get(list[at]!)
    if (which === undefined) return pseudoUnknown
    if (found[which] !== undefined) return pseudoTwice
    found[which] = list[at + 1]!
  }
  const [method, scheme, authority, path, protocol] = found
  const problem = problemOfPseudo(method, scheme, authority, path, protocol)
  if (problem !== undefined) return problem
  if (list.length - at > 2 * maxFields) return tooMany
  const read = readFields(list, at, authority)
  if (read instanceof Malformed) return read
  if (isEnd && (read.length ?? 0) > 0) return noBody
  return { method: protocol === undefined ? method! : 'GET', target: path ?? authority!, protocol, ...read }
}

function problemOfPseudo(
  method: string | undefined,
  scheme: string | undefined,
  authority: string | undefined,
  path: string | undefined,
  protocol: string | undefined,
): Malformed | undefined {
  if (method === undefined) return incomplete
  if (!isToken(method)) return badMethod
  if (method === 'CONNECT' && protocol === undefined)
    return authority === undefined || scheme !== undefined || path !== undefined ? badConnect : undefined
  if (protocol !== undefined && (method !== 'CONNECT' || !isToken(protocol))) return badProtocol
  if (scheme === undefined || path === undefined) return incomplete
  if (scheme !== 'http' && scheme !== 'https') return badScheme
  if (path.charCodeAt(0) !== 0x2f && !(path === '*' && method === 'OPTIONS')) return badPath
  return isTarget(path) ? undefined : badTarget
}

function readFields(
  list: readonly string[],
  from: number,
  authority: string | undefined,
): { readonly fields: Fields; readonly length: number | undefined } | Malformed {
  const kept: string[] = []
  let host = authority
  let hasHost = false
  let length: number | undefined
  let cookie = -1
  for (let i = from; i < list.length; i += 2) {
    const name = list[i]!
    const value = list[i + 1]!
    const problem = problemOfField(name, value, pseudoLate, true)
    if (problem !== undefined) return problem
    if (name === 'host') {
      if (host !== undefined && (hasHost || host.toLowerCase() !== value.toLowerCase())) return twoHosts
      host ??= value
      hasHost = true
      continue
    }
    if (name === 'content-length') {
      if (length !== undefined) return badLength
      length = parseLength(value)
      if (length === undefined) return badLength
    } else if (name === 'cookie') {
      // One line, for recipients of HTTP/1.1 (RFC 9113 §8.2.3).
      if (cookie !== -1) {
        kept[cookie + 1] += `; ${value}`
        continue
      }
      cookie = kept.length
    }
    kept.push(name, value)
  }
  if (host === undefined) return noHost
  if (!isAuthority(host)) return badAuthority
  kept.unshift('host', host)
  const fields = new Fields(kept, true)
  fields.secrets = markedIn(list)
  return { fields, length }
}

/** Reads the trailers of a request; one that would frame the message is refused (RFC 9110 §6.5.1). */
export function readRequestTrailers(list: readonly string[]): Fields | Malformed {
  if (list.length > 2 * maxFields) return tooMany
  const kept: string[] = []
  for (let i = 0; i < list.length; i += 2) {
    const problem = problemOfField(list[i]!, list[i + 1]!, pseudoInTrailers)
    if (problem !== undefined) return problem
    if (list[i] === 'content-length') return framingTrailer
    kept.push(list[i]!, list[i + 1]!)
  }
  const trailers = new Fields(kept, true)
  trailers.secrets = markedIn(list)
  return trailers
}

function isTarget(text: string): boolean {
  for (let i = 0; i < text.length; i++) if ((kinds[text.charCodeAt(i)]! & TARGET) === 0) return false
  return text !== ''
}

/** Whether it may be a host and a port. Which host it is, and whether user information is before it (§8.3.1), the flow looks at. */
function isAuthority(text: string): boolean {
  return isTarget(text) && !/[/?\\,]/.test(text)
}
