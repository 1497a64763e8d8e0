import type { Origin } from '../grants/origin.ts'
import type { Limits, PluginCode, Scopes } from '../sandbox/plugin.ts'
import type { Problem } from './problem.ts'
import type { Secret } from './secrets.ts'
import type { Config } from './types.ts'

/** A policy whose plugin was built and whose options were checked. Frozen. */
export interface CheckedPolicy {
  readonly name: string
  readonly plugin: PluginCode
  /** Options with defaults filled in, as plain JSON data. */
  readonly options: unknown
  /** Normalised and of known fields only. */
  readonly scopes: Scopes
  readonly onFailure: 'reject' | 'continue'
  readonly limits: Limits
  /** Trust group of its plugin. */
  readonly group: string
  /** Where the grants of its plugin may go. */
  readonly fetch: readonly Origin[]
}

/** A configuration in which nothing is wrong. Plain data: it goes from process to process. */
export interface CheckedConfig {
  readonly ok: true
  readonly config: Config
  /** Every inline policy, and those in files that something attaches. */
  readonly policies: ReadonlyMap<string, CheckedPolicy>
  /** What works, but was hardly meant so. */
  readonly warnings: readonly Problem[]
  /** What references resolved to, for `new Secrets`: nothing that is printed or served may contain a value. */
  readonly secrets: readonly Secret[]
  /** Every file that the configuration was read from, absolute: itself, policies, references, plugins' entries. */
  readonly files: readonly string[]
}
