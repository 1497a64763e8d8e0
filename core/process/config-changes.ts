import type { CheckedConfig } from '../config/check.ts'
import type { PackedConfig, PackedSection } from './packed-config.ts'

/** What has to be done to a section to make it another one. */
export interface SectionChanges {
  /** Names of entries that are not there any more. */
  readonly gone: readonly string[]
  /** JSON objects that hold the new and changed entries by name, some in each. */
  readonly set: readonly string[]
}

/** What makes one configuration another one. */
export interface ConfigChanges {
  readonly rest: CheckedConfig
  readonly routes: SectionChanges
  readonly upstreams: SectionChanges
}

/** Entries that are parsed in one step: so many take a worker some 10 µs. */
const together = 4

/** All workers of a host ask for the same. */
let last: { before: PackedConfig | undefined; after: PackedConfig; changes: ConfigChanges } | undefined

/** @param before `undefined`: nothing is there yet. */
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
