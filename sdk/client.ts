import type { Readable, View } from './declared.ts'
import type { ReadScope } from './scopes.ts'

/**
 * The client that opened the connection or sent the request.
 *
 * @typeParam R scopes that may be read. Default: all.
 */
export interface Client<R extends ReadScope = ReadScope> extends View<R> {
  /**
   * IPv4 or IPv6 address in canonical text form; plain IPv4 for an IPv4 client on a dual-stack socket. Scope
   * `client.ip`.
   */
  readonly ip: Readable<R, 'client.ip', string>
  /**
   * TCP port; `undefined` behind a trusted proxy, because its header does not contain the port. Scope `client.port`.
   */
  readonly port: Readable<R, 'client.port', number | undefined>
}
