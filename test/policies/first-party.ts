import { readdirSync } from 'node:fs'
import { Ajv } from 'ajv'
import type { OptionsSchema, Plugin, ReadScope, WriteScope } from 'postern/sdk'

/** A plugin as the loader sees it: what its options are is known at run time only. */
type AnyPlugin = Omit<Plugin, 'options' | 'reads' | 'writes'> & {
  readonly options: OptionsSchema
  readonly reads?: readonly ReadScope[] | ((options: unknown) => readonly ReadScope[])
  readonly writes?: readonly WriteScope[] | ((options: unknown) => readonly WriteScope[])
}

export const folder: URL = new URL('../../plugins/', import.meta.url)

export const names: readonly string[] = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)

export async function firstParty(name: string): Promise<AnyPlugin> {
  const module: { default: AnyPlugin } = await import(new URL(`${name}/index.ts`, folder).href)
  return module.default
}

/** Schema and declarations, as when a policy is loaded; throws what is wrong. */
export function load(plugin: AnyPlugin, options: unknown): { reads: readonly string[]; writes: readonly string[] } {
  const ajv = new Ajv({ useDefaults: true, strict: true, strictTypes: true, formats: { upstream: true } })
  const filled = structuredClone(options)
  if (!ajv.validate(plugin.options, filled)) throw new Error(ajv.errorsText(ajv.errors, { dataVar: 'options' }))
  const { reads = [], writes = [] } = plugin
  return {
    reads: typeof reads === 'function' ? reads(filled) : reads,
    writes: typeof writes === 'function' ? writes(filled) : writes,
  }
}
