import type { SandboxEvent } from './event.ts'

interface Log {
  warn(event: string, facts: Record<string, unknown>): void
}

/** What the log calls the events that no request tells of; those of a call that has failed stand with its request. */
const titles: { readonly [type in SandboxEvent['type']]?: string } = {
  undeclared: 'undeclared read',
  replaced: 'isolate replaced',
  rejection: 'unhandled rejection',
}

/**
 * Writes down what befalls plugins. Every worker finds the same undeclared reads, so of several workers the one place
 * that hears them all keeps the log.
 */
export function createEventLog(log: Log): (event: SandboxEvent) => void {
  const logged = new Set<string>()
  return ({ type, plugin, hash, policy, hook, message }) => {
    const title = titles[type]
    if (title === undefined) return
    if (type === 'undeclared') {
      const key = `${hash} ${message}`
      if (logged.has(key) || logged.size >= most) return
      logged.add(key)
    }
    log.warn(title, { plugin, policy, hook, message })
  }
}

/** Plugins make the fields up, and reloads bring other plugins. */
const most = 10_000
