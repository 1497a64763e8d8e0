import { resolve } from 'node:path'
import { displayName } from '../config/source.ts'
import { didYouMean } from '../config/suggest.ts'
import { asObject, asText, member } from '../config/untyped.ts'
import type { Origin } from '../grants/origin.ts'
import { groupOf } from '../sandbox/group-name.ts'
import { defaultLimits } from '../sandbox/limits.ts'
import type { Limits, PluginCode, Scopes } from '../sandbox/plugin.ts'
import type { Draft } from './draft.ts'
import { type Format, pluginFormats } from './formats.ts'
import { normalizeIsolation, normalizeLimits, normalizeOrigins } from './normalize.ts'
import type { PluginLoader, ScopeReader } from './plugin-loader.ts'
import type { PolicyDraft } from './policies.ts'
import { type PluginPlace, resolvePlugin, resolveSource } from './resolve-plugin.ts'
import { normalizeScopes } from './scopes.ts'
import { compileSchema, type Validate } from './validator.ts'

/** A policy's plugin, and what it declares for the policy's options. */
export interface PolicyFacts {
  readonly plugin: PluginCode
  readonly options: unknown
  /** Empty when the options are invalid. */
  readonly scopes: Scopes
  /** Upstreams that the options name. */
  readonly upstreams: readonly string[]
  readonly limits: Limits
  /** Where its grants may go. */
  readonly fetch: readonly Origin[]
  /** Trust group of the plugin. */
  readonly group: string
}

/** The plugins of one check. Each is resolved, built and inspected once, however many policies use it. */
export class Plugins {
  readonly #draft: Draft
  readonly #folder: string
  readonly #loader: PluginLoader
  readonly #files: Set<string>
  readonly #loaded = new Map<string, Promise<Loaded | undefined>>()
  /** Upstreams that the options of the current policy name: texts whose schema has the format `upstream`. */
  #named = new Set<string>()

  constructor(draft: Draft, folder: string, loader: PluginLoader, files: Set<string>) {
    this.#draft = draft
    this.#folder = folder
    this.#loader = loader
    this.#files = files
  }

  /** Checks the entries of `plugins`. */
  checkEntries(): void {
    const { source, data, problems } = this.#draft
    for (const [name, value] of Object.entries(asObject(data.plugins))) {
      const at = ['plugins', name]
      if (problems.touches(source, at)) continue
      const from = asText(asObject(value).source)
      const place =
        from === undefined ? resolvePlugin(name, this.#folder, undefined, []) : resolveSource(from, this.#folder)
      if ('problem' in place) problems.add(source, from === undefined ? at : [...at, 'source'], place.problem)
      const { limits, group, isolation } = asObject(value)
      const { memory, time, wait } = normalizeLimits(limits)
      if (memory < 8 || memory > 4096) problems.add(source, [...at, 'limits', 'memory'], 'must be from 8MB to 4GB')
      if (time > 1_000)
        problems.add(
          source,
          [...at, 'limits', 'time'],
          'must be at most 1s; the worker handles nothing else while a plugin runs',
        )
      if (wait < 10 || wait > 60_000) problems.add(source, [...at, 'limits', 'wait'], 'must be from 10ms to 1m')
      if (group !== undefined && isolation !== undefined) {
        problems.add(source, [...at, 'isolation'], 'cannot be combined with "group"; keep one of the two')
      }
    }
  }

  /** Checks a policy with its plugin; `undefined` when that is not possible, with the problem reported. */
  async check(policy: PolicyDraft): Promise<PolicyFacts | undefined> {
    const { problems } = this.#draft
    const { source, path, data } = policy
    const name = asText(data.plugin)
    if (name === undefined || problems.touches(source, [...path, 'plugin'])) return undefined
    const entries = asObject(this.#draft.data.plugins)
    const entry = asObject(member(entries, name))
    if (Object.hasOwn(entries, name) && problems.touches(this.#draft.source, ['plugins', name])) return undefined
    const place = resolvePlugin(name, this.#folder, asText(entry.source), Object.keys(entries))
    if ('problem' in place) {
      problems.add(source, [...path, 'plugin'], place.problem)
      return undefined
    }
    const loaded = await this.#load(place, policy)
    if (loaded === undefined || typeof data.options !== 'object' || Array.isArray(data.options)) return undefined
    this.#named = new Set()
    for (const violation of loaded.validate(data.options)) {
      problems.add(source, [...path, 'options', ...violation.path], violation.message)
    }
    const upstreams = [...this.#named]
    const broken = problems.touches(source, [...path, 'options'])
    const scopes = broken ? { reads: [], writes: [] } : this.#scopes(policy, loaded)
    const limits = Object.hasOwn(entries, name) ? normalizeLimits(entry.limits) : defaultLimits
    const fetch = Object.hasOwn(entries, name) ? normalizeOrigins(entry.fetch) : []
    const group = groupOf(name, place.publisher, normalizeIsolation(entry))
    return { plugin: loaded.plugin, options: data.options, scopes, upstreams, limits, fetch, group }
  }

  async close(): Promise<void> {
    for (const loaded of this.#loaded.values()) (await loaded)?.reader.close()
  }

  #load(place: PluginPlace, policy: PolicyDraft): Promise<Loaded | undefined> {
    let loaded = this.#loaded.get(place.file)
    if (loaded === undefined) {
      this.#files.add(place.file)
      loaded = this.#build(place, policy)
      this.#loaded.set(place.file, loaded)
    }
    return loaded
  }

  async #build({ file, publisher }: PluginPlace, policy: PolicyDraft): Promise<Loaded | undefined> {
    const { problems } = this.#draft
    try {
      const plugin = await this.#loader.load(file, publisher)
      const schema = plugin.manifest.options ?? { type: 'object', additionalProperties: false }
      const validate = compileSchema(schema, { ...pluginFormats, upstream: this.#upstream }, false)
      return { plugin, validate, reader: this.#loader.inspect(plugin) }
    } catch (error) {
      for (const line of (error as Error).message.split('\n').filter((text) => text.trim() !== '')) {
        const at = /^(.+?):(\d+):(\d+): (.*)$/.exec(line)
        if (at === null) problems.add(policy.source, [...policy.path, 'plugin'], `plugin ${displayName(file)}: ${line}`)
        else problems.addAt(displayName(resolve(at[1]!)), { line: Number(at[2]), column: Number(at[3]) }, at[4]!)
      }
      return undefined
    }
  }

  readonly #upstream: Format = {
    expected: 'the name of an upstream',
    problem: (name) => {
      this.#named.add(name)
      const upstreams = asObject(this.#draft.data.upstreams)
      return Object.hasOwn(upstreams, name)
        ? undefined
        : `there is no upstream "${name}"${didYouMean(name, Object.keys(upstreams))}`
    },
  }

  #scopes({ source, path, data }: PolicyDraft, { plugin, reader }: Loaded): Scopes {
    const { problems } = this.#draft
    let declared: Scopes
    try {
      declared = reader.scopes(data.options)
    } catch (error) {
      // A plain Error is how a plugin refuses options; any other error is a bug, and keeps its position.
      const message = (error as Error).message.replace(/^(?:.+?:\d+:\d+: )?Error: /, '')
      problems.add(source, [...path, 'options'], message)
      return { reads: [], writes: [] }
    }
    const { scopes, wrong } = normalizeScopes(declared)
    for (const message of wrong) problems.add(source, [...path, 'plugin'], `plugin ${plugin.name} ${message}`)
    return scopes
  }
}

interface Loaded {
  readonly plugin: PluginCode
  readonly validate: Validate
  readonly reader: ScopeReader
}
