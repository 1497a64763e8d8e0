import { type Fields, shorten } from './fields.ts'
import { FORWARDING, HEARSAY, HOP_BY_HOP, isTreated } from './header-names.ts'

/**
 * Removes the fields that are meant for one connection only (RFC 9110 §7.6.1): every field that `Connection` names,
 * `Connection` itself, and the known hop-by-hop fields even when it does not name them. `TE: trailers` stays, because the
 * gateway forwards trailers; so does `Trailer`, which describes the content. Credentials for a proxy are removed (§11.7):
 * this gateway acts as the origin server for its clients.
 *
 * Call it before the gateway adds fields: a client must not be able to remove those by naming them. `Host` and
 * `Content-Length` stay even when named, since removing them would change the meaning of the message; so do the fields
 * about earlier hops, which a client could otherwise remove from what a trusted proxy sends.
 *
 * @param upgrade value of `Upgrade` that stays: what the gateway passes on itself. Default: none stays.
 */
export function removeHopByHop(fields: Fields, upgrade?: string): void {
  const { list } = fields
  const named = namedByConnection(list)
  let kept = 0
  let trailers = false
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!
    if (name === 'te') trailers ||= acceptsTrailers(list[i + 1]!)
    if (isTreated(name, HOP_BY_HOP) || named?.has(name)) continue
    list[kept] = name
    list[kept + 1] = list[i + 1]!
    kept += 2
  }
  shorten(list, kept)
  if (trailers) list.push('te', 'trailers')
  if (upgrade !== undefined) list.push('upgrade', upgrade)
}

/** The field names in `Connection`; `undefined` in the common case that there are none. */
function namedByConnection(list: readonly string[]): Set<string> | undefined {
  let named: Set<string> | undefined
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] !== 'connection') continue
    const value = list[i + 1]!
    if (value === 'keep-alive' || value === 'close') continue
    named ??= new Set()
    for (const option of value.split(',')) {
      const name = option.trim().toLowerCase()
      if (!isTreated(name, FORWARDING | HEARSAY)) named.add(name)
    }
  }
  named?.delete('host')
  named?.delete('content-length')
  return named
}

function acceptsTrailers(value: string): boolean {
  return value.split(',').some((coding) => coding.trim().toLowerCase() === 'trailers')
}
