import type { Backend } from './backend.ts'
import type { BodyChunk } from './body.ts'
import type { Client } from './client.ts'
import type { Connection } from './connection.ts'
import type { Readable } from './declared.ts'
import type { GrantName, Grants } from './grants.ts'
import type { Health } from './health.ts'
import type { Reply } from './reply.ts'
import type { Request } from './request.ts'
import type { PreparedResponse, Response } from './response.ts'
import type { ReadScope, WriteScope } from './scopes.ts'

/**
 * The argument of every hook except `checkHealth`; most hooks receive more.
 *
 * @typeParam O type of the options.
 * @typeParam N grants named in `needs`.
 * @typeParam R scopes in `reads`. Default: all.
 * @typeParam W scopes in `writes`. Default: all.
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
  /** The value that an earlier hook of this policy assigned to `request.state` or `connection.state`; see there. */
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
> = HookContext<O, N, R, W> & {
  readonly request: Request<R, W>
  /**
   * Prepares headers of the response, which is still to come: nothing of it can be read here. Write scope
   * `response.header:<name>`. They are applied where `onResponse` of this policy would run, right before it if there is
   * one: also to the reply of this or a later policy and to an error of the gateway, and only if the trigger (`when`)
   * matches then. When the hook fails, nothing that it prepared is applied.
   *
   * A policy that needs nothing of the response can do without `onResponse`, which costs a call for every request:
   *
   * ```ts
   * onRequest({ response, options }) {
   *   response.setHeader('strict-transport-security', `max-age=${options.age}`)
   * }
   * ```
   */
  readonly response: PreparedResponse<W>
}

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
  /** The request on L7. On L4 every field of it is absent. */
  readonly request: Request<R, W>
  /** The healthy backends of the chosen upstream that were not tried yet for this flow. Never empty. Needs no scope. */
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
  /** The backend that sent the response; `undefined` for a response made by the gateway. Scope `backend`. */
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
  /** Status that was sent to the client; 0 when none was sent, and on L4. Scope `response.status`. */
  readonly status: Readable<R, 'response.status', number>
  /** Status of a gRPC call, 0 for OK; `undefined`: none came, or the request was no gRPC call. Scope `grpc.status`. */
  readonly grpcStatus: Readable<R, 'grpc.status', number | undefined>
  /** Outcome code of the access log, empty for success. Scope `outcome`. */
  readonly outcome: Readable<R, 'outcome', string>
  /** The backend that was used last; `undefined` without one. Scope `backend`. */
  readonly backend: Readable<R, 'backend', Backend | undefined>
  /** What was forwarded; `undefined` on L7. Scope `traffic`. */
  readonly traffic: Readable<R, 'traffic', Traffic | undefined>
}

/** What a connection or session of L4 has forwarded: `in` from the client, `out` to it. */
export interface Traffic {
  readonly bytesIn: number
  readonly bytesOut: number
  /** 0 on `tcp` and `tls` listeners. */
  readonly datagramsIn: number
  readonly datagramsOut: number
}

/**
 * The argument of `checkHealth`. A health check has no connection and no request, so there is no client and no state.
 */
export type HealthContext<O, N extends GrantName> = Pick<Grants, N> & {
  /** The policy's options, checked against the plugin's schema, defaults filled in. Frozen, with null prototypes. */
  readonly options: O
  /** The backend to check; its `weight` is the one in use. Needs no scope. */
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
 * The hooks. A chain is the listener's policies, then the route's, then the upstream's, each in the order of the
 * configuration; only a reply ends it. **The returned value decides**: nothing = the chain continues, a reply = it ends
 * here. When a hook throws, `onFailure` of the policy decides (`reject`: the client receives 500; `continue`: as if the
 * policy were not attached). A hook is skipped when the policy's trigger does not match; see `When`.
 *
 * A policy's turn has come when its `onRequest`, or on L4 its `onConnect`, has been called, was skipped, or would have
 * been called if it existed. The hooks after that run only for the policies whose turn has come.
 */
export interface Hooks<O, N extends GrantName, R extends ReadScope = ReadScope, W extends WriteScope = WriteScope> {
  /**
   * L4 and L7 · *first* · once per connection, before any byte is forwarded. On L7 it runs for the listener's policies
   * only, and `client` is the peer, or whom its PROXY protocol header names, because the client behind a trusted proxy is
   * only known once there is a request. A reply refuses the connection.
   *
   * With TLS it runs before the handshake, once the client has named the server, unless this policy or an earlier one reads
   * more of `connection.tls` than `serverName` or has such a trigger: then it runs after the handshake. A refusal before
   * the handshake is the alert `access_denied`.
   */
  onConnect?(context: ConnectContext<O, N, R, W>): MayWait<Reply | void>
  /**
   * L7 · *first* · once per request, after routing. A reply is sent to the client, and the request is not forwarded. It may
   * prepare headers of the response.
   */
  onRequest?(context: RequestContext<O, N, R, W>): MayWait<Reply | void>
  /**
   * L7 · *reduce* · for each chunk of the request's body, in order, including the last one. The body waits until the
   * hook returns: back-pressure reaches the client. Returned bytes replace the chunk (write scope `body`); nothing
   * returned leaves it unchanged. Because the length may change, chunked coding replaces `content-length`. A failure
   * with `onFailure: reject` ends the request.
   */
  onRequestBody?(context: RequestBodyContext<O, N, R, W>): MayWait<Uint8Array | string | void>
  /**
   * L4 and L7 · *first* · once per attempt. Returns one of `backends`, or nothing to leave the choice to the next
   * policy and in the end to the upstream's `balance`. May not wait.
   */
  selectBackend?(context: SelectBackendContext<O, N, R, W>): Backend | void
  /**
   * L7 · *reduce*, in reverse order · once per final response head, including replies and the gateway's own errors, for
   * the policies whose turn has come. Changes the head, or returns a reply that replaces the response.
   */
  onResponse?(context: ResponseContext<O, N, R, W>): MayWait<Reply | void>
  /**
   * L7 · *reduce*, in reverse order · for each chunk of the response's body, as `onRequestBody`; write scope
   * `response.body`. The head has already been sent, so a failure with `onFailure: reject` breaks the connection.
   */
  onResponseBody?(context: ResponseBodyContext<O, N, R, W>): MayWait<Uint8Array | string | void>
  /**
   * Upstream · *first* · for the policies of an upstream, for each backend once in every interval of its `health`. One
   * worker of the host runs it, for all. Its result replaces the probe, and the settings of the probe apply:
   * `interval`, `rise`, `fall`, and `timeout` for each policy. Nothing returned leaves the check to the next policy and
   * in the end to the probe. When a policy fails or times out, the backend counts as unhealthy (`onFailure: reject`),
   * or the next policy is asked (`continue`). With `"health": false` the hook never runs.
   * `fetch` may reach the backend itself over http, without an entry in the configuration.
   *
   * ```ts
   * async checkHealth({ backend, fetch }) {
   *   const response = await fetch(`http://${backend.address}/status`)
   *   const { free } = response.json() as { free: number }
   *   return { healthy: response.status === 200, weight: Math.max(1, Math.round(free * 100)) }
   * }
   * ```
   */
  checkHealth?(context: HealthContext<O, N>): MayWait<Health | void>
  /**
   * L4 and L7 · *observe* · once at the end of a request (L7) or connection (L4), also when it ended early, for the
   * policies whose turn has come. May not wait; the result is ignored.
   */
  onClose?(context: CloseContext<O, N, R, W>): void
  /**
   * L7 · *observe* · once at the end of a client's connection, refused or not, for the listener's policies whose turn
   * in `onConnect` has come. `state` is the value of `connection.state`. May not wait; the result is ignored. On L4 use
   * `onClose`.
   */
  onDisconnect?(context: DisconnectContext<O, N, R, W>): void
}
