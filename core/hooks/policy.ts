import type { CheckedPolicy } from '../config/check.ts'
import type { Instance } from '../sandbox/plugin.ts'
import { type FieldReader, fieldsOf, readerOf } from './fields.ts'
import type { HookName } from './points.ts'
import { compileWrites, type Writes } from './writes.ts'

/** A policy, compiled: everything about it that does not depend on the request. */
export interface Policy {
  readonly name: string
  /** Name of its plugin, which logs and outcomes blame. */
  readonly plugin: string
  readonly onFailure: 'reject' | 'continue'
  /** Its place among the sandbox's instances. */
  readonly instance: number
  readonly writes: Writes
  /** For each hook it has, how the fields that it declared are read from a flow. */
  readonly readers: { readonly [hook in HookName]?: readonly FieldReader[] }
}

/** The policy for the chains and, beside it, what the sandbox needs to know to run it. */
export function compilePolicy(checked: CheckedPolicy, instance: number): { policy: Policy; instance: Instance } {
  const readers: { [hook in HookName]?: readonly FieldReader[] } = {}
  const fields: { [hook in HookName]?: readonly string[] } = {}
  for (const hook of checked.plugin.manifest.hooks) {
    const declared = fieldsOf(hook, checked.scopes.reads)
    fields[hook] = declared
    readers[hook] = declared.map(readerOf)
  }
  return {
    policy: {
      name: checked.name,
      plugin: checked.plugin.name,
      onFailure: checked.onFailure,
      instance,
      writes: compileWrites(checked.scopes.writes),
      readers,
    },
    instance: {
      policy: checked.name,
      plugin: checked.plugin,
      options: checked.options,
      fields,
      limits: checked.limits,
    },
  }
}
