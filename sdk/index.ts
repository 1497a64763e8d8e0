export type { Backend } from './backend.ts'
export type { Client } from './client.ts'
export type { Connection } from './connection.ts'
export type { Counter, CounterLimit, CounterResult, Digest, GrantError, GrantName, Grants } from './grants.ts'
export type {
  CloseContext,
  ConnectContext,
  HookContext,
  Hooks,
  RequestContext,
  ResponseContext,
  SelectBackendContext,
} from './hooks.ts'
export { definePlugin, type Options, type OptionsSchema, type Plugin } from './plugin.ts'
export { type Problem, type Reply, reply } from './reply.ts'
export type { Request } from './request.ts'
export type { Response } from './response.ts'
export type { ReadScope, WriteScope } from './scopes.ts'
