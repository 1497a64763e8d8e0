import type { Readable, View, Writable } from './declared.ts'
import type { ReadScope, WriteScope } from './scopes.ts'
import type { Tls } from './tls.ts'

/**
 * The client's connection, on both layers.
 *
 * @typeParam R scopes that may be read. Default: all.
 * @typeParam W scopes that may be written. Default: all.
 */
export interface Connection<R extends ReadScope = ReadScope, W extends WriteScope = WriteScope> extends View<R | W> {
  /** `'L4'` on a `tcp` or `tls` listener, `'L7'` on an `http` or `https` listener. Needs no scope. */
  readonly layer: 'L4' | 'L7'
  /** Address of the other end of the socket. Scope `peer.ip`. */
  readonly peer: { readonly ip: Readable<R, 'peer.ip', string> }
  /** Port on which the gateway accepted the connection. Scope `local.port`. */
  readonly local: { readonly port: Readable<R, 'local.port', number> }
  /** What the TLS handshake said. Scopes `tls.serverName`, `tls.version`, … */
  readonly tls: Tls<R>
  /** Name of the listener. Scope `listener`. */
  readonly listener: Readable<R, 'listener', string>
  /** Name of the route; `undefined` on L7 before a request is routed. Scope `route`. */
  readonly route: Readable<R, 'route', string | undefined>
  /** Name of the upstream chosen so far. Scope `upstream`. */
  readonly upstream: Readable<R, 'upstream', string | undefined>
  /**
   * Sends the connection to another upstream; for `onConnect` on L4. The chain continues: the last policy that chooses
   * an upstream wins, and then that upstream's own policies run. Write scope `upstream`.
   *
   * @param name an upstream of the configuration; the hook fails when it does not exist. If the name comes from an
   *   option, give that option `"format": "upstream"`: a wrong name is then an error when the configuration is loaded.
   */
  useUpstream(name: Writable<W, 'upstream', string>): void
  /**
   * Text that later hooks of the same policy and the same connection receive as `state`, at most 4,096 characters.
   * Default: `undefined`, which also clears it.
   */
  state: string | undefined
}
