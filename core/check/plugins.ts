import { join } from 'node:path'
import type { ReferenceContext, WholeReferences } from '../config/references.ts'
import { displayName } from '../config/source.ts'
import { didYouMean } from '../config/suggest.ts'
import { asObject, asText, member } from '../config/untyped.ts'
import type { Origin } from '../grants/origin.ts'
import { groupOf } from '../sandbox/group-name.ts'
import { defaultLimits } from '../sandbox/limits.ts'
import type { Limits, PluginCode, Scopes } from '../sandbox/plugin.ts'
import type { KeptOut } from '../sandbox/plugin-files.ts'
import { type Access, accessOf, excessOf } from './allow.ts'
import type { Draft } from './draft.ts'
import { type Format, pluginFormats } from './formats.ts'
import { normalizeIsolation, normalizeLimits, normalizeOrigins } from './normalize.ts'
import type { PluginLoader, ScopeReader } from './plugin-loader.ts'
import { codeProblems } from './plugin-problems.ts'
import { compilePluginSchema } from './plugin-schema.ts'
import type { PolicyDraft } from './policies.ts'
import { type PluginPlace, resolvePlugin, resolveSource } from './resolve-plugin.ts'
import { bodies, normalizeScopes } from './scopes.ts'
import type { Validate } from './validator.ts'
import type { Violation } from './violations.ts'

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
  readonly #references: WholeReferences
  readonly #keptOut: KeptOut
  readonly #loaded = new Map<string, Promise<Loaded | undefined>>()
  /** Upstreams that the options of the current policy name: texts whose schema has the format `upstream`. */
  #named = new Set<string>()

  /** @param context of the references in the configuration: by now it knows every file that holds a secret. */
  constructor(draft: Draft, loader: PluginLoader, { folder, files, whole }: ReferenceContext) {
    this.#draft = draft
    this.#folder = folder
    this.#loader = loader
    this.#files = files
    this.#references = whole
    this.#keptOut = { folder, paths: [...files, join(folder, 'policies')] }
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
      const { limits, group, isolation, allow } = asObject(value)
      const { memory, time, wait } = normalizeLimits(limits)
      if (memory < 8 || memory > 4096) problems.add(source, [...at, 'limits', 'memory'], 'must be from 8MB to 4GB')
      if (time > 1_000)
        problems.add(
          source,
          [...at, 'limits', 'time'],
          'must be at most 1s; the worker handles nothing else while a plugin runs',
        )
      if (wait < 10 || wait > 60_000) problems.add(source, [...at, 'limits', 'wait'], 'must be from 10ms to 1m')
      for (const problem of normalizeAllow(allow).wrong) problems.add(source, [...at, 'allow'], problem)
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
    const { name: own } = loaded.plugin
    if (own !== name) {
      const where = `in ${displayName(place.file)} and here, and under "plugins"`
      problems.add(source, [...path, 'plugin'], `the plugin "${name}" calls itself "${own}"; use one name ${where}`)
      return undefined
    }
    this.#named = new Set()
    for (const violation of this.#validate(policy, loaded)) {
      problems.add(source, [...path, 'options', ...violation.path], violation.message)
    }
    const upstreams = [...this.#named]
    const broken = problems.touches(source, [...path, 'options'])
    const scopes = broken ? { reads: [], writes: [] } : this.#scopes(policy, loaded)
    const limits = Object.hasOwn(entries, name) ? normalizeLimits(entry.limits) : defaultLimits
    const fetch = Object.hasOwn(entries, name) ? normalizeOrigins(entry.fetch) : []
    const group = groupOf(name, place.publisher, normalizeIsolation(entry))
    if (entry.allow !== undefined && !broken) this.#checkAllowed(policy, name, entry.allow, loaded.plugin, scopes)
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

  async #build(place: PluginPlace, { source, path }: PolicyDraft): Promise<Loaded | undefined> {
    const { problems } = this.#draft
    try {
      const plugin = await this.#loader.load({ ...place, keptOut: this.#keptOut })
      const schema = plugin.manifest.options ?? { type: 'object', additionalProperties: false }
      const validate = compilePluginSchema(schema, { ...pluginFormats, upstream: this.#upstream })
      return { plugin, validate, reader: this.#loader.inspect(plugin) }
    } catch (error) {
      for (const { file, line, column, message } of codeProblems(error)) {
        if (file === undefined) {
          problems.add(source, [...path, 'plugin'], `plugin ${displayName(place.file)}: ${message}`)
        } else problems.addAt(file, { line: line!, column: column! }, message)
      }
      return undefined
    }
  }

  #validate({ source, path, data }: PolicyDraft, { validate }: Loaded): Violation[] {
    try {
      return validate(data.options, this.#references)
    } catch (error) {
      this.#draft.problems.add(source, [...path, 'options'], (error as Error).message)
      return []
    }
  }

  /** The configuration may say what a plugin is allowed; whatever its code asks for beyond that is refused. */
  #checkAllowed(
    { source, path }: PolicyDraft,
    name: string,
    allow: unknown,
    { manifest }: PluginCode,
    scopes: Scopes,
  ): void {
    const excess = excessOf(accessOf(manifest, scopes), normalizeAllow(allow).access)
    if (excess.length === 0) return
    const message = `plugin "${name}" is not allowed to ${excess.join(', ')}; if it may, add that to plugins.${name}.allow`
    this.#draft.problems.add(source, [...path, 'plugin'], message)
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
      for (const { file, line, column, message } of codeProblems(error)) {
        // A plain Error is how a plugin refuses options; any other error is a bug, and keeps its position.
        const isRefusal = message.startsWith('Error: ') || file === undefined
        const text = isRefusal ? message.replace(/^Error: /, '') : `${file}:${line}:${column}: ${message}`
        problems.add(source, [...path, 'options'], text)
      }
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

/** The `allow` of a plugin's entry, with its scopes in the host's spelling. */
function normalizeAllow(allow: unknown): { access: Access; wrong: readonly string[] } {
  const { reads = [], writes = [], needs = [] } = asObject(allow) as Partial<Access>
  const whole = reads.filter((scope) => bodies.has(scope))
  const { scopes, wrong } = normalizeScopes({ reads: reads.filter((scope) => !bodies.has(scope)), writes })
  return { access: { reads: [...scopes.reads, ...whole], writes: scopes.writes, needs }, wrong }
}
