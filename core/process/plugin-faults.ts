import { deathWindow, type FaultKind, faultWindow, isDeath, limit, points } from './fault.ts'

/**
 * `closed`: all calls run. `open`: no call runs. `half-open`: one call at a time runs, to test whether the plugin works
 * again.
 */
export type QuarantineState = 'closed' | 'open' | 'half-open'

/** Faults and state of one plugin, as plain data. */
export interface QuarantineEntry {
  readonly hash: string
  readonly plugin: string
  readonly state: QuarantineState
  /** When this state began, ms since the epoch. */
  readonly since: number
  /**
   * When an open quarantine becomes half-open, ms since the epoch. Absent: only new code (another hash) or an operator
   * ends it.
   */
  readonly until?: number
  /** Reason for this state, as text; empty if the plugin was never quarantined. */
  readonly why: string
  /** The plugin crosses alone, because a process died while it ran. */
  readonly suspect: boolean
  /** Number of its faults of each kind. */
  readonly faults: Readonly<Record<FaultKind, number>>
}

interface Recent {
  readonly kind: FaultKind
  readonly at: number
}

/** How long a quarantine stays open, ms: at first `shortest`, then twice as long each time, up to `longest`. */
const shortest = 30_000
const longest = 600_000

/** Fault history and quarantine state of one plugin. */
export class PluginFaults {
  readonly hash: string
  readonly plugin: string
  readonly faults: Record<FaultKind, number> = { threw: 0, timeout: 0, memory: 0, kill: 0, crash: 0 }
  state: QuarantineState = 'closed'
  since: number
  until: number | undefined
  why = ''
  /** Time since which no configuration uses the plugin, ms. */
  unnamed: number | undefined
  /** Faults that still count; never more than are needed to reach the limit. */
  #recent: Recent[] = []
  /** How many times in a row it was opened. */
  #openings = 0

  constructor(hash: string, plugin: string, now: number) {
    this.hash = hash
    this.plugin = plugin
    this.since = now
  }

  /** Only new code or an operator ends the quarantine. */
  get isFinal(): boolean {
    return this.state === 'open' && this.until === undefined
  }

  add(kind: FaultKind, now: number): void {
    this.faults[kind]++
    // Calls that were already running when the quarantine began may still fail; only the death of a process is news.
    if (this.isFinal || (this.state === 'open' && !isDeath(kind))) return
    // The death of a process counts until the quarantine that follows it is over.
    this.#recent = this.#recent.filter((fault) => {
      return now - fault.at < windowOf(fault.kind) || (isDeath(fault.kind) && this.state !== 'closed')
    })
    this.#recent.push({ kind, at: now })
    // After two deaths the plugin is not tested on live traffic.
    const fatal = pointsOf(this.#recent.filter((fault) => isDeath(fault.kind))) >= limit
    if (this.state !== 'closed' || pointsOf(this.#recent) >= limit) this.#open(fatal, now)
  }

  /** The test call of a half-open quarantine has ended. */
  probed(ok: boolean, now: number): void {
    if (ok) this.#enter('closed', 'it works again', now)
    else this.#open(false, now)
  }

  probe(now: number): void {
    this.#enter('half-open', this.why, now)
  }

  /** An operator ends the quarantine. */
  clear(now: number): void {
    this.#recent = []
    this.#openings = 0
    this.#enter('closed', 'cleared', now)
  }

  #open(fatal: boolean, now: number): void {
    // After this long without a quarantine the earlier ones no longer count.
    if (this.state === 'closed' && now - this.since >= longest) this.#openings = 0
    this.#enter('open', this.#recent.length > 0 ? reason(this.#recent) : 'it failed again', now)
    if (!fatal) this.until = now + Math.min(longest, shortest * 2 ** this.#openings++)
    this.#recent = this.#recent.filter(({ kind }) => isDeath(kind))
  }

  #enter(state: QuarantineState, why: string, now: number): void {
    this.state = state
    this.why = why
    this.since = now
    this.until = undefined
  }
}

function pointsOf(faults: readonly Recent[]): number {
  return faults.reduce((sum, { kind }) => sum + points[kind], 0)
}

function windowOf(kind: FaultKind): number {
  return isDeath(kind) ? deathWindow : faultWindow
}

const words: Readonly<Record<FaultKind, string>> = {
  threw: 'threw',
  timeout: 'ran out of time',
  memory: 'ran out of memory',
  kill: 'had its process killed by the watchdog',
  crash: 'crashed its process',
}

function reason(recent: readonly Recent[]): string {
  const counts = new Map<FaultKind, number>()
  for (const { kind } of recent) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  const parts = [...counts].map(([kind, count]) => `${words[kind]} ${count === 1 ? 'once' : `${count} times`}`)
  return `it ${parts.join(', ')}`
}
