import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseJson } from '../config/json.ts'
import type { Problem } from '../config/problem.ts'
import { displayName } from '../config/source.ts'
import { asObject, asText } from '../config/untyped.ts'
import { readSchema } from './gateway-schema.ts'
import { type PluginLoader, sandboxLoader } from './plugin-loader.ts'
import { printableProblems } from './plugin-problems.ts'
import { ownPlugins, pluginNames, resolvePlugin } from './resolve-plugin.ts'

/**
 * The gateway schema with the options of every installed plugin merged in: the plugins of this package, those in
 * `plugins/` beside the configuration, and those in the configuration's own `plugins`.
 *
 * @param config absolute; need not exist
 */
export async function mergedSchema(
  config: string,
  loader: PluginLoader = sandboxLoader,
): Promise<{ schema: Record<string, unknown>; problems: Problem[] }> {
  const problems: Problem[] = []
  const folder = dirname(config)
  const entries = existsSync(config) ? asObject(asObject(parseJson(readFileSync(config, 'utf8')).value).plugins) : {}
  const names = new Set([...pluginNames(ownPlugins), ...pluginNames(join(folder, 'plugins')), ...Object.keys(entries)])
  const plugins = new Map<string, { description: string; options: unknown }>()
  for (const name of [...names].sort()) {
    const source = Object.hasOwn(entries, name) ? asText(asObject(entries[name]).source) : undefined
    const place = resolvePlugin(name, folder, source, [])
    if ('problem' in place) {
      problems.push({ file: displayName(config), path: `plugins.${name}`, message: place.problem })
      continue
    }
    try {
      const keptOut = { folder, paths: [config, join(folder, 'policies')] }
      const { description, options } = (await loader.load({ ...place, keptOut })).manifest
      plugins.set(name, { description, options: options ?? { type: 'object', additionalProperties: false } })
    } catch (error) {
      problems.push(...printableProblems(error, displayName(place.file)))
    }
  }
  return { schema: merge(readSchema('gateway'), plugins), problems }
}

function merge(
  schema: Record<string, unknown>,
  plugins: ReadonlyMap<string, { description: string; options: unknown }>,
): Record<string, unknown> {
  const definitions = asObject(schema.definitions)
  const policy = asObject(definitions.policy)
  const properties = asObject(policy.properties)
  const listed = [...plugins].map(([name, { description }]) => ({ const: name, description }))
  const plugin = { ...asObject(properties.plugin), anyOf: [...listed, { type: 'string' }] }
  const cases = [...plugins].map(([name, { options }]) => ({
    if: { properties: { plugin: { const: name } }, required: ['plugin'] },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: { properties: { options } },
  }))
  const merged = { ...policy, properties: { ...properties, plugin }, ...(cases.length > 0 && { allOf: cases }) }
  return { ...schema, definitions: { ...definitions, policy: merged } }
}
