import type { CheckedConfig } from '../config/checked.ts'
import type { Steps } from '../in-slices.ts'
import type { PackedConfig, PackedSection } from './packed-config.ts'

/** The difference between two versions of a section. */
export interface SectionChanges {
  /** Names of entries that were removed. */
  readonly gone: readonly string[]
  /** New and changed entries: JSON objects with a few entries each, by name. */
  readonly set: readonly string[]
}

/** The difference between two configurations. */
export interface ConfigChanges {
  readonly rest: CheckedConfig
  readonly routes: SectionChanges
  readonly upstreams: SectionChanges
}

/** Entries that are parsed in one step, which takes a worker some 10 µs. */
const together = 4

/** The last result: all workers of a host need the same one. */
let last: { before: PackedConfig | undefined; after: PackedConfig; changes: ConfigChanges } | undefined

/**
 * The difference between two configurations.
 *
 * @param before `undefined`: there is no configuration yet.
 */
export function changesBetween(before: PackedConfig | undefined, after: PackedConfig): ConfigChanges {
  if (last === undefined || last.before !== before || last.after !== after) {
    const routes = changesOf(before?.routes, after.routes)
    const upstreams = changesOf(before?.upstreams, after.upstreams)
    last = { before, after, changes: { rest: after.rest, routes, upstreams } }
  }
  return last.changes
}

function changesOf(before: PackedSection | undefined, after: PackedSection): SectionChanges {
  const gone = before === undefined ? [] : [...before.keys()].filter((name) => !after.has(name))
  const set: string[] = []
  let entries: string[] = []
  const close = (): void => {
    if (entries.length > 0) set.push(`{${entries.join()}}`)
    entries = []
  }
  for (const [name, text] of after) {
    if (text === before?.get(name)) continue
    entries.push(`${JSON.stringify(name)}:${text}`)
    if (entries.length === together) close()
  }
  close()
  return { gone, set }
}

/**
 * Applies changes to a configuration and returns the new one. An entry that did not change is the same object in both,
 * and so is a section without changes: this tells the gateway that it has already compiled them.
 *
 * @param before the configuration that the changes were computed from; `undefined`: before the first.
 */
export function* applyChanges(before: CheckedConfig | undefined, changes: ConfigChanges): Steps<CheckedConfig> {
  const { rest } = changes
  const routes = yield* change(before?.config.routes, changes.routes)
  const upstreams = yield* change(before?.config.upstreams, changes.upstreams)
  return { ...rest, config: { ...rest.config, routes, upstreams } }
}

type Section<T> = Readonly<Record<string, T>>

function* change<T>(before: Section<T> | undefined, { gone, set }: SectionChanges): Steps<Section<T>> {
  if (before !== undefined && gone.length + set.length === 0) return before
  const removed = new Set(gone)
  // Without a prototype, because users choose the names.
  const after: Record<string, T> = Object.create(null)
  if (before !== undefined) {
    for (const name of Object.keys(before)) {
      if (!removed.has(name)) after[name] = before[name]!
      yield
    }
  }
  for (const text of set) {
    const entries = JSON.parse(text) as Section<T>
    for (const name of Object.keys(entries)) after[name] = entries[name]!
    yield
  }
  return after
}
