import type { Reply } from '../../sdk/reply.ts'
import { PosternError } from '../errors.ts'
import type { Fields } from './fields.ts'
import { registeredMethods, withHead } from './methods.ts'

/** Largest value that is forwarded; no chain has that many hops. */
const most = 0x7fff_ffff

/**
 * Counts a hop of OPTIONS and TRACE (RFC 9110 §7.6.2): at 0 the request is answered here, otherwise it is forwarded with
 * the value reduced by one. `Max-Forwards` is never added, and with other methods it is a field like any other.
 *
 * The answer to OPTIONS lists the methods of the route. TRACE is not echoed: policies may have added credentials for the
 * backend to the request.
 *
 * @param taken methods of the route; `undefined`: any
 * @returns the answer, or an error for a malformed value; `undefined` when the request is to be forwarded
 */
export function countHop(
  method: string,
  fields: Fields,
  taken: readonly string[] | undefined,
): Reply | PosternError | undefined {
  if (method !== 'OPTIONS' && method !== 'TRACE') return undefined
  const left = fields.get('max-forwards')
  if (left === undefined) return undefined
  if (!/^\d+$/.test(left)) return new PosternError('DPE', 'Max-Forwards is not a single decimal number')
  const hops = Number(left)
  if (hops > 0) fields.set('max-forwards', `${Math.min(hops - 1, most)}`)
  else return reply(method === 'OPTIONS' ? 200 : 405, taken)
  return undefined
}

function reply(status: number, taken: readonly string[] | undefined): Reply {
  const allowed = [...(taken === undefined ? registeredMethods : withHead(taken))].filter(
    (method) => method !== 'CONNECT' && method !== 'TRACE',
  )
  return { reply: true, status, body: '', reason: '', headers: [['allow', allowed.join(', ')]] }
}
