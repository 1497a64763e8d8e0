import type { CheckedConfig } from '../config/check.ts'
import type { Steps } from '../in-slices.ts'
import type { ConfigChanges, SectionChanges } from './config-changes.ts'

/**
 * Makes a configuration from the one before and what is different. An entry that did not change is the same object in
 * both, by which the gateway knows that it has it compiled already; and so is a section.
 *
 * @param before the configuration that the changes were computed from; `undefined`: there is none yet.
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
  // Without a prototype: names are the user's.
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
