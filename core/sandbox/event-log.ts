import type { SandboxEvent } from './event.ts'

interface Log {
  warn(event: string, facts: Record<string, unknown>): void
}

/** Log messages of the events that get a line of their own. A failed call is logged with its request instead. */
const titles: { readonly [type in SandboxEvent['type']]?: string } = {
  undeclared: 'undeclared read',
  replaced: 'isolate replaced',
  rejection: 'unhandled rejection',
}

/**
 * Logs events of plugins. Every worker reports the same undeclared reads, so with several workers this runs where the
 * events of all of them arrive, and logs each undeclared read once.
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

/**
 * Undeclared reads remembered. Plugins choose the field names and reloads bring other plugins, so there is no natural
 * limit.
 */
const most = 10_000
