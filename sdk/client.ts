import type { Readable, View } from './declared.ts'
import type { ReadScope } from './scopes.ts'

/**
 * Who opened the connection or sent the request. Needs the scopes `client.ip`, `client.port`. `R` are the scopes that may
 * be read; default: all.
 */
export interface Client<R extends ReadScope = ReadScope> extends View<R> {
  /** IPv4 or IPv6 address in canonical text form; an IPv4 client on a dual-stack socket reads as plain IPv4. */
  readonly ip: Readable<R, 'client.ip', string>
  /** TCP port; `undefined` behind a trusted proxy, whose header does not contain it. */
  readonly port: Readable<R, 'client.port', number | undefined>
}
