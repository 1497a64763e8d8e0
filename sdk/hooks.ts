import type { Backend } from './backend.ts'
import type { BodyChunk } from './body.ts'
import type { Client } from './client.ts'
import type { Connection } from './connection.ts'
import type { Readable } from './declared.ts'
import type { GrantName, Grants } from './grants.ts'
import type { Health } from './health.ts'
import type { Reply } from './reply.ts'
import type { Request } from './request.ts'
import type { Response } from './response.ts'
import type { ReadScope, WriteScope } from './scopes.ts'

/**
 * What every hook is called with. `O` is the type of the options, `N` the grants named in `needs`, `R` and `W` the scopes
 * of `reads` and `writes`; default: all.
 */
export type HookContext<
  O,
  N extends GrantName,
  R extends ReadScope = ReadScope,
  W extends WriteScope = WriteScope,
> = Pick<Grants, N> & {
  /** The policy's options, checked against the plugin's schema, defaults filled in. Frozen, with null prototypes. */
  readonly options: O
  readonly client: Client<R>
  readonly connection: Connection<R, W>
  /** What an earlier hook of this policy left for this request or connection in `request.state` or `connection.state`. */
  readonly state: string | undefined
}

export type ConnectContext<
  O,
  N extends GrantName,
  R extends ReadScope = ReadScope,
  W extends WriteScope = WriteScope,
> = HookContext<O, N, R, W>

export type RequestContext<
  O,
  N extends GrantName,
  R extends ReadScope = ReadScope,
  W extends WriteScope = WriteScope,
> = HookContext<O, N, R, W> & { readonly request: Request<R, W> }

export type RequestBodyContext<
  O,
  N extends GrantName,
  R extends ReadScope = ReadScope,
  W extends WriteScope = WriteScope,
> = HookContext<O, N, R, W> & { readonly request: Request<R, W>; readonly chunk: BodyChunk }

export type SelectBackendContext<
  O,
  N extends GrantName,
  R extends ReadScope = ReadScope,
  W extends WriteScope = WriteScope,
> = HookContext<O, N, R, W> & {
  /** L7 only; on L4 every field of it reads as absent. */
  readonly request: Request<R, W>
  /** The healthy members of the chosen upstream that were not tried yet for this request. Never empty. Needs no scope. */
  readonly backends: readonly Backend[]
}

export type ResponseContext<
  O,
  N extends GrantName,
  R extends ReadScope = ReadScope,
  W extends WriteScope = WriteScope,
> = HookContext<O, N, R, W> & {
  readonly request: Request<R, W>
  readonly response: Response<R, W>
  /** The backend that answered; `undefined` for an answer made by the gateway. Scope `backend`. */
  readonly backend: Readable<R, 'backend', Backend | undefined>
}

export type ResponseBodyContext<
  O,
  N extends GrantName,
  R extends ReadScope = ReadScope,
  W extends WriteScope = WriteScope,
> = HookContext<O, N, R, W> & {
  readonly request: Request<R, W>
  readonly response: Response<R, W>
  readonly chunk: BodyChunk
}

export type CloseContext<
  O,
  N extends GrantName,
  R extends ReadScope = ReadScope,
  W extends WriteScope = WriteScope,
> = HookContext<O, N, R, W> & {
  readonly request: Request<R, W>
  /** Status that the client got; 0 on L4 and when it got none. Scope `response.status`. */
  readonly status: Readable<R, 'response.status', number>
  /** Outcome code of the access log, empty for success. Scope `outcome`. */
  readonly outcome: Readable<R, 'outcome', string>
  /** The backend that was used last. Scope `backend`. */
  readonly backend: Readable<R, 'backend', Backend | undefined>
}

/** A probe belongs to no connection and no request: it has no client and no state. */
export type HealthContext<O, N extends GrantName> = Pick<Grants, N> & {
  /** The policy's options, checked against the plugin's schema, defaults filled in. Frozen, with null prototypes. */
  readonly options: O
  /** The backend in question; `weight` is the one in force. Needs no scope. */
  readonly backend: Backend
}

export type DisconnectContext<
  O,
  N extends GrantName,
  R extends ReadScope = ReadScope,
  W extends WriteScope = WriteScope,
> = HookContext<O, N, R, W>

type MayWait<T> = T | Promise<T>

/**
 * The hook points. A chain is the listener's policies, then the route's, then the upstream's, in the order written;
 * only a reply ends it. **The returned value decides**: nothing = go on, a reply = stop here, a throw = error, which the
 * policy's `onFailure` decides (`reject`: the client gets 500; `continue`: as if the policy were not attached). A hook whose
 * trigger does not match is skipped without a call, see `When`.
 */
export interface Hooks<O, N extends GrantName, R extends ReadScope = ReadScope, W extends WriteScope = WriteScope> {
  /**
   * L4 and L7 · *first* · once per connection, before any byte is forwarded. On L7 it runs for the listener's policies
   * only, and sees the peer: the client behind a trusted proxy is known only from `onRequest` on. A reply refuses the
   * connection.
   */
  onConnect?(context: ConnectContext<O, N, R, W>): MayWait<Reply | void>
  /** L7 · *first* · once per request, after routing. A reply answers the request here. */
  onRequest?(context: RequestContext<O, N, R, W>): MayWait<Reply | void>
  /**
   * L7 · *reduce* · for each chunk of the request's body, in order, the last one included. The body waits meanwhile:
   * back-pressure reaches the client. Returned bytes take the chunk's place (write scope `body`; the length is then
   * unknown beforehand, so `content-length` gives way to chunked coding); nothing lets it pass. A policy that fails ends
   * the request.
   */
  onRequestBody?(context: RequestBodyContext<O, N, R, W>): MayWait<Uint8Array | string | void>
  /**
   * L4 and L7 · *first* · once per attempt. Returns one of `backends`; nothing leaves the choice to the next policy and
   * at last to the upstream's `balance`. May not wait.
   */
  selectBackend?(context: SelectBackendContext<O, N, R, W>): Backend | void
  /**
   * L7 · *reduce*, in reverse order · once per final response head, replies and errors made by the gateway included, for
   * the policies whose turn in `onRequest` had come. Changes the head, or returns a reply that takes its place.
   */
  onResponse?(context: ResponseContext<O, N, R, W>): MayWait<Reply | void>
  /**
   * L7 · *reduce*, in reverse order · for each chunk of the response's body, as `onRequestBody`; write scope
   * `response.body`. The head has gone: a policy that fails breaks the connection.
   */
  onResponseBody?(context: ResponseBodyContext<O, N, R, W>): MayWait<Uint8Array | string | void>
  /**
   * Upstream · *first* · for the policies of an upstream, once in each interval of its `health` and for each backend; on
   * the whole host, however many workers there are. A verdict takes the place of the probe, and `interval`, `rise`,
   * `fall` and `timeout` (for each policy) apply to it as to one; nothing leaves it to the next policy, and at last to the
   * probe. A policy that fails or is out of time has found the backend unhealthy (`onFailure: reject`) or has no opinion
   * (`continue`). With `"health": false` it never runs.
   *
   * ```ts
   * async checkHealth({ backend, fetch }) {
   *   const answer = await fetch(`http://${backend.address}/status`)
   *   const { free } = answer.json() as { free: number }
   *   return { healthy: answer.status === 200, weight: Math.max(1, Math.round(free * 100)) }
   * }
   * ```
   */
  checkHealth?(context: HealthContext<O, N>): MayWait<Health | void>
  /**
   * L4 and L7 · *observe* · once at the end of a request (L7) or connection (L4), also after an early exit, for the
   * policies whose turn had come. May not wait; the result is ignored.
   */
  onClose?(context: CloseContext<O, N, R, W>): void
  /**
   * L7 · *observe* · once at the end of a client's connection, refused or not, for the listener's policies whose turn in
   * `onConnect` had come; `state` is what theirs left in `connection.state`. May not wait; the result is ignored. On L4
   * the end of a connection is `onClose`.
   */
  onDisconnect?(context: DisconnectContext<O, N, R, W>): void
}
