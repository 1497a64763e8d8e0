export type { Backend } from './backend.ts'
export type { Body, BodyChunk } from './body.ts'
export type { Client } from './client.ts'
export type { Connection } from './connection.ts'
export type { Undeclared } from './declared.ts'
export type { Fetch, FetchHeaders, FetchRequest, FetchResponse } from './fetch.ts'
export type {
  Counter,
  CounterLimit,
  CounterResult,
  Digest,
  GrantError,
  GrantName,
  Grants,
  Log,
  LogFields,
  Metric,
  MetricLabels,
} from './grants.ts'
export type { Health } from './health.ts'
export type {
  CloseContext,
  ConnectContext,
  DisconnectContext,
  HealthContext,
  HookContext,
  Hooks,
  RequestBodyContext,
  RequestContext,
  ResponseBodyContext,
  ResponseContext,
  SelectBackendContext,
  Traffic,
} from './hooks.ts'
export type { Jwk, Jwt, JwtAlgorithm, JwtCheck, VerifiedJwt } from './jwt.ts'
export type { Kv } from './kv.ts'
export { type Declaration, definePlugin, type Options, type OptionsSchema, type Plugin } from './plugin.ts'
export { type Problem, type Reply, type ReplyHeaders, reply } from './reply.ts'
export type { Request } from './request.ts'
export type { PreparedResponse, Response } from './response.ts'
export type { BodyScope, ReadScope, WriteScope } from './scopes.ts'
export type { Tls, TlsClient } from './tls.ts'
export type { TlsClientTrigger, TlsTrigger, When } from './when.ts'
