import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import type { HttpVersion } from './exchange.ts'
import type { Fields } from './fields.ts'

/** What a listener is bound to. */
interface Bound {
  readonly protocol: string
  readonly address: string
  readonly port: number
}

/** How a gateway names itself in `Via` (RFC 9110 §7.6.3). */
export interface Via {
  /** The same in all workers of a gateway and after each start; different in every other gateway. */
  readonly pseudonym: string
  /** What it adds to a message, by the version in which that arrived. */
  readonly entry: Readonly<Record<HttpVersion, string>>
}

/**
 * So many entries of this gateway in `Via` make a loop. One or two do not: an application behind the gateway may call another
 * one through it with the fields of its own request, and two gateways in a chain may have the same name by mistake.
 */
export const mostPasses = 3

/**
 * `postern-` and eight hexadecimal digits, a hash of the machine's name and of the addresses that the listeners are bound
 * to: two gateways on one machine differ in those, and the machine's name is not disclosed.
 *
 * @param machine its name. Default: the host name of the system.
 */
export function viaOf(listeners: Readonly<Record<string, Bound>>, machine: string = hostname()): Via {
  const pseudonym = `postern-${digest([machine, ...Object.values(listeners).map(({ protocol, address, port }) => [protocol, address, port])])}`
  return { pseudonym, entry: { '1.0': `1.0 ${pseudonym}`, '1.1': `1.1 ${pseudonym}`, '2': `2 ${pseudonym}` } }
}

/** Whether a request has passed through this gateway at least `mostPasses` times. */
export function isLoop(fields: Fields, { pseudonym }: Via): boolean {
  const value = fields.get('via')
  if (value === undefined || !value.includes(pseudonym)) return false
  const passes = value.split(',').filter((entry) => entry.trim().split(/[ \t]+/)[1] === pseudonym)
  return passes.length >= mostPasses
}

function digest(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 8)
}
