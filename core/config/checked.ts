import type { Origin } from '../grants/origin.ts'
import type { Limits, PluginCode, Scopes } from '../sandbox/plugin.ts'
import type { Problem } from './problem.ts'
import type { Secret } from './secrets.ts'
import type { Config } from './types.ts'

/** A policy with its plugin built and its options checked. Frozen. */
export interface CheckedPolicy {
  readonly name: string
  readonly plugin: PluginCode
  /** Options with defaults filled in, as plain JSON data. */
  readonly options: unknown
  /** Normalised; known fields only. */
  readonly scopes: Scopes
  readonly onFailure: 'reject' | 'continue'
  readonly limits: Limits
  /** Trust group of its plugin. */
  readonly group: string
  /** Origins that the grants of its plugin may reach. */
  readonly fetch: readonly Origin[]
}

/** A valid configuration. Plain data, so that it can be sent between processes. */
export interface CheckedConfig {
  readonly ok: true
  readonly config: Config
  /** Every inline policy, and every policy file that is attached somewhere. */
  readonly policies: ReadonlyMap<string, CheckedPolicy>
  /** What is valid, but most likely not intended. */
  readonly warnings: readonly Problem[]
  /** What references resolved to, for `new Secrets`: nothing that is printed or served may contain a value. */
  readonly secrets: readonly Secret[]
  /** Every file that was read, as absolute paths: the configuration, policies, referenced files, plugins' entries. */
  readonly files: readonly string[]
}
