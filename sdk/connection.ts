import type { Readable, View, Writable } from './declared.ts'
import type { ReadScope, WriteScope } from './scopes.ts'

/**
 * The client's connection, on both layers. `R` are the scopes that may be read, `W` those that may be written; default:
 * all.
 */
export interface Connection<R extends ReadScope = ReadScope, W extends WriteScope = WriteScope> extends View<R | W> {
  /** `'L4'` on a `tcp` listener, `'L7'` on an `http` listener. Needs no scope. */
  readonly layer: 'L4' | 'L7'
  /** Address of the other end of the socket. Scope `peer.ip`. */
  readonly peer: { readonly ip: Readable<R, 'peer.ip', string> }
  /** Port the connection came in on. Scope `local.port`. */
  readonly local: { readonly port: Readable<R, 'local.port', number> }
  /** Name of the listener. Scope `listener`. */
  readonly listener: Readable<R, 'listener', string>
  /** Name of the route; `undefined` on L7 before a request is routed. Scope `route`. */
  readonly route: Readable<R, 'route', string | undefined>
  /** Name of the upstream chosen so far. Scope `upstream`. */
  readonly upstream: Readable<R, 'upstream', string | undefined>
  /**
   * L4, in `onConnect`: sends the connection to another upstream. It is a write and does not end the chain: the
   * last policy that chooses wins, then the chosen upstream's own policies run. Write scope `upstream`.
   *
   * @param name an upstream of the configuration. Give the option that names it `"format": "upstream"`, so that a wrong
   *   name is refused when the configuration is loaded; one computed at run time that does not exist fails the hook.
   */
  useUpstream(name: Writable<W, 'upstream', string>): void
  /**
   * A short string that later hooks of the same policy and the same connection receive as `state`. At most 4,096
   * characters. Assigning `undefined` clears it.
   */
  state: string | undefined
}
