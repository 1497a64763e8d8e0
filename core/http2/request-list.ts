import type { Fields } from '../http/fields.ts'
import { CODEC, isAliasTreated, isTreated, NO_TRAILER } from '../http/header-names.ts'
import type { UpstreamRequest } from '../http/upstream-exchange.ts'
import { mark } from './never-indexed.ts'

/**
 * The header list of a request (RFC 9113 §8.3.1): `:authority` instead of `host`, and none of the fields that frame a message
 * or control a connection of HTTP/1.1, but for the length of a body.
 */
export function requestList(request: UpstreamRequest, isTls: boolean): string[] {
  const { method, target, fields, hasBody, upgrade } = request
  const isTunnel = asksForTunnel(request)
  const list = [':method', isTunnel ? 'CONNECT' : method, ':scheme', isTls ? 'https' : 'http']
  if (isTunnel) list.push(':protocol', upgrade!)
  const host = fields.get('host')
  if (host !== undefined) list.push(':authority', host)
  list.push(':path', target)
  addFields(list, fields.list, isTunnel)
  if (fields.shared !== undefined) addFields(list, fields.shared.list)
  mark(list, fields.secrets)
  const length = fields.get('content-length')
  if (length !== undefined) {
    // What follows the head of an extended CONNECT is no body.
    if (!hasBody && !isTunnel) list.push('content-length', '0')
    else if (hasBody && lengthOf(length) !== undefined) list.push('content-length', length)
  }
  return list
}

/**
 * Whether a request becomes an extended CONNECT (RFC 8441 §4). Another method, or a body, has no place in one: then the upgrade is
 * not asked for, as any hop may decide.
 */
export function asksForTunnel({ method, hasBody, upgrade }: UpstreamRequest): boolean {
  return upgrade !== undefined && method === 'GET' && !hasBody
}

/** The trailers that may be sent; `undefined` when there are none. */
export function trailerList(trailers: Fields | undefined): string[] | undefined {
  if (trailers === undefined) return undefined
  const list: string[] = []
  addFields(list, trailers.list)
  for (let i = list.length - 2; i >= 0; i -= 2) if (isAliasTreated(list[i]!, NO_TRAILER)) list.splice(i, 2)
  mark(list, trailers.secrets)
  return list.length === 0 ? undefined : list
}

/** The length that a request's `content-length` announces; `undefined` when it is no decimal number. */
export function announcedLength({ fields, hasBody }: UpstreamRequest): number | undefined {
  if (!hasBody) return undefined
  const text = fields.get('content-length')
  return text === undefined ? undefined : lengthOf(text)
}

function lengthOf(text: string): number | undefined {
  return /^(?:0|[1-9]\d{0,14})$/.test(text) ? Number(text) : undefined
}

/** Adds what may be in a message of HTTP/2: fields that frame one or control a connection of HTTP/1.1 never are. */
export function addFields(list: string[], from: readonly string[], isTunnel: boolean = false): void {
  for (let i = 0; i < from.length; i += 2) {
    const name = from[i]!
    if (name === 'host' || isTreated(name, CODEC) || (isTunnel && name === 'sec-websocket-key')) continue
    list.push(name, tidy(from[i + 1]!))
  }
}

/** Without whitespace around it, for which a recipient may refuse the whole message (RFC 9113 §8.2.1). */
function tidy(value: string): string {
  const first = value.charCodeAt(0)
  const last = value.charCodeAt(value.length - 1)
  const isTidy = first !== 0x20 && first !== 0x09 && last !== 0x20 && last !== 0x09
  return isTidy ? value : value.replace(/^[\t ]+|[\t ]+$/g, '')
}
