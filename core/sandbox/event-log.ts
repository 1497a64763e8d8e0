import { Repeats } from '../grants/repeats.ts'
import { ownText } from '../own-text.ts'
import { bounds } from './bounds.ts'
import type { SandboxEvent } from './event.ts'

interface Log {
  info(event: string, facts: Record<string, unknown>): void
  warn(event: string, facts: Record<string, unknown>): void
}

/** Log messages of the events that get a line of their own. A failed call is logged with its request instead. */
const titles: { readonly [type in SandboxEvent['type']]?: string } = {
  undeclared: 'undeclared read',
  replaced: 'isolate replaced',
  rejection: 'unhandled rejection',
  console: 'console',
}

/**
 * Logs events of plugins. Every worker reports the same undeclared reads, so with several workers this runs where the
 * events of all of them arrive, and logs each undeclared read once. Unhandled rejections that repeat are counted.
 */
export function createEventLog(log: Log): (event: SandboxEvent) => void {
  const undeclared = new Map<string, Set<string>>()
  const repeats = new Repeats()
  return ({ type, plugin, hash, policy, hook, message }) => {
    const title = titles[type]
    if (title === undefined) return
    // The group's name where no plugin is known.
    const facts = hash === '' ? { group: plugin, message } : { plugin, policy, hook, message }
    if (type === 'console') return log.info(title, facts)
    if (type === 'undeclared' && !isNew(undeclared, hash, message)) return
    if (type !== 'rejection') return log.warn(title, facts)
    repeats.add(plugin, message, (count) => log.warn(title, count === 1 ? facts : { ...facts, count }))
  }
}

/** Plugins remembered: reloads bring other ones, so there is no natural limit. The oldest goes first. */
const mostPlugins = 1_000

function isNew(known: Map<string, Set<string>>, hash: string, message: string): boolean {
  let own = known.get(hash)
  if (own === undefined) {
    own = new Set()
    known.set(hash, own)
    for (const oldest of known.keys()) {
      if (known.size <= mostPlugins) break
      known.delete(oldest)
    }
  }
  if (own.has(message) || own.size >= bounds.undeclared.fields) return false
  own.add(ownText(message))
  return true
}
