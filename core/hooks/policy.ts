import type { HookName } from '../../sdk/points.ts'
import type { CheckedPolicy } from '../config/checked.ts'
import type { Instance, Scopes } from '../sandbox/plugin.ts'
import { type BodyNeed, bodyNeed, type FieldReader, fieldsOf, isOfHandshake, readerOf } from './scopes.ts'
import { type CompiledWhen, compileWhen } from './when.ts'
import { compileWrites, namesOf, type Writes } from './writes.ts'

/** A compiled policy: everything about it that does not depend on the request. */
export interface Policy {
  readonly name: string
  /** Name of its plugin, as logs and outcomes give it. */
  readonly plugin: string
  readonly onFailure: 'reject' | 'continue'
  /** Its index among the sandbox's instances. */
  readonly instance: number
  readonly writes: Writes
  /** The scopes that it declares to read and write. */
  readonly scopes: Scopes
  /** The headers of a response that it reads, or that decide whether its hooks run; `*`: all of them. */
  readonly responseReads: readonly string[]
  /** Trust group of its plugin. */
  readonly group: string
  /** Its trigger. Default: its hooks always run. */
  readonly when?: CompiledWhen
  /** Whether its `onConnect` needs what only the TLS handshake tells. */
  readonly needsHandshake: boolean
  /** How much of a body has to be held before each of its hooks can run. */
  readonly bodies: { readonly [hook in HookName]?: BodyNeed }
  /** For each of its hooks, the readers of the fields that it declared. */
  readonly readers: { readonly [hook in HookName]?: readonly FieldReader[] }
}

/** The policy for the chains, and the instance that the sandbox runs for it. */
export function compilePolicy(checked: CheckedPolicy, instance: number): { policy: Policy; instance: Instance } {
  const readers: { [hook in HookName]?: readonly FieldReader[] } = {}
  const fields: { [hook in HookName]?: readonly string[] } = {}
  for (const hook of checked.plugin.manifest.hooks) {
    const declared = fieldsOf(hook, checked.scopes.reads)
    fields[hook] = declared
    readers[hook] = declared.map(readerOf)
  }
  const when = checked.scopes.when && compileWhen(checked.scopes.when)
  return {
    policy: {
      name: checked.name,
      plugin: checked.plugin.name,
      onFailure: checked.onFailure,
      instance,
      writes: compileWrites(checked.scopes.writes),
      scopes: checked.scopes,
      responseReads: responseReadsOf(checked),
      group: checked.group,
      ...(when === undefined ? {} : { when }),
      needsHandshake: [...checked.scopes.reads, ...(when?.reads ?? [])].some(isOfHandshake),
      bodies: bodiesOf(checked),
      readers,
    },
    instance: {
      policy: checked.name,
      plugin: checked.plugin,
      options: checked.options,
      fields,
      limits: checked.limits,
      group: checked.group,
      fetch: checked.fetch,
    },
  }
}

function responseReadsOf({ scopes }: CheckedPolicy): readonly string[] {
  const triggers = scopes.when === undefined ? [] : compileWhen(scopes.when).reads
  return namesOf('response.header:', [...scopes.reads, ...triggers])
}

function bodiesOf({ plugin, scopes }: CheckedPolicy): Policy['bodies'] {
  const needs = scopes.reads.flatMap((scope) => bodyNeed(scope) ?? [])
  return Object.fromEntries(
    needs.filter(({ hook }) => plugin.manifest.hooks.includes(hook)).map((need) => [need.hook, need]),
  )
}
