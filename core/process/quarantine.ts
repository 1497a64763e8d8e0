import type { EndReport } from '../guard/end-report.ts'
import type { GuardedCall } from '../sandbox/crossing-guard.ts'
import type { SandboxEvent } from '../sandbox/event.ts'
import { type Fault, isDeath } from './fault.ts'
import { PluginFaults, type QuarantineEntry, type QuarantineState } from './plugin-faults.ts'
import { Suspects } from './suspects.ts'

export interface QuarantineOptions {
  /** Clock, ms since the epoch, never set back. Default: the time of the process's start plus `performance.now`. */
  readonly now?: () => number
  /** Runs `run` once, after `delay` ms; returns a function that cancels it. Default: `setTimeout`. */
  readonly schedule?: (delay: number, run: () => void) => () => void
  /** The state of a plugin has changed. All workers must know it; later workers learn it from `snapshot`. */
  onChange(hash: string, state: QuarantineState, why: string): void
  /** From now on these plugins must cross alone (`on`), or no longer need to. */
  onSuspects?(hashes: readonly string[], on: boolean): void
}

/** The crossing in which a process died, see `LastCrossing`. */
interface Death {
  readonly calls: readonly Pick<GuardedCall, 'hash' | 'plugin'>[]
  readonly alone: boolean
}

/** How long the faults of a plugin are remembered after the last configuration that used it, ms. */
const memory = 3_600_000
/** Most plugins remembered in addition to those that the configuration uses. */
const most = 1_000

/**
 * Counts the faults of plugins on all workers, by the hash of their code, and stops plugins with too many of them. It
 * runs in the supervisor, because a count in a worker would be lost when the worker dies.
 */
export class Quarantine {
  readonly #now: () => number
  readonly #schedule: (delay: number, run: () => void) => () => void
  readonly #onChange: QuarantineOptions['onChange']
  readonly #suspects: Suspects
  readonly #pluginFaults = new Map<string, PluginFaults>()
  #named: ReadonlySet<string> = new Set()
  #wake: { at: number; cancel: () => void } | undefined

  constructor({ now = monotonic, schedule = later, onChange, onSuspects }: QuarantineOptions) {
    this.#now = now
    this.#schedule = schedule
    this.#onChange = onChange
    this.#suspects = new Suspects((hashes, on) => onSuspects?.(hashes, on))
  }

  /**
   * Sets the plugins in use. Others are remembered for an hour, so that a return to a bad version does not clear its
   * faults.
   */
  adopt(hashes: Iterable<string>): void {
    this.#named = new Set(hashes)
    const now = this.#now()
    for (const pluginFaults of this.#pluginFaults.values()) {
      if (this.#named.has(pluginFaults.hash)) pluginFaults.unnamed = undefined
      else pluginFaults.unnamed ??= now
    }
    this.#arm()
  }

  fault({ hash, plugin, kind, alone }: Fault): void {
    const now = this.#now()
    const pluginFaults = this.#faultsOf(hash, plugin, now)
    if (isDeath(kind)) {
      if (alone) this.#suspects.found(hash, now)
      else this.#suspects.add([hash], now)
    }
    if (!isDeath(kind) || alone) this.#change(pluginFaults, () => pluginFaults.add(kind, now))
    this.#arm()
  }

  /** Handles an event of a sandbox; most events are not faults. */
  event({ type, hash, plugin, alone }: SandboxEvent): void {
    if (hash === '') return
    if (type === 'threw' || type === 'timeout' || type === 'memory') this.fault({ hash, plugin, kind: type, alone })
    else if (type === 'refused') this.fault({ hash, plugin, kind: 'threw', alone })
    else if (type === 'ok-probe' || type === 'failed-probe') this.probed(hash, type === 'ok-probe')
  }

  /**
   * A worker has died. The plugins of the crossing that ran are suspects. Only a plugin that crossed alone, in a process
   * that had room enough, is at fault: a process may be ruined before the crossing in which it dies.
   *
   * @param report why the process ended itself, if it did.
   * @param last the crossing in its crash slot. The report of a watchdog is more exact about who was running.
   * @returns whether the death has brought a plugin nearer to a final quarantine: there can be only a few of these.
   */
  death(report: EndReport | undefined, last: Death): boolean {
    if (report?.type === 'resources') return false
    const calls = report !== undefined && report.calls.length > 0 ? report.calls : last.calls
    const plugins = new Map(calls.map(({ hash, plugin }) => [hash, plugin]))
    const alone = last.alone && plugins.size === 1
    const isNews = [...plugins.keys()].some((hash) =>
      alone ? this.#pluginFaults.get(hash)?.isFinal !== true : !this.#suspects.has(hash),
    )
    for (const [hash, plugin] of plugins) {
      if (alone) this.fault({ hash, plugin, kind: report === undefined ? 'crash' : 'kill', alone })
      else this.#faultsOf(hash, plugin, this.#now())
    }
    if (!alone) this.#suspects.add(plugins.keys(), this.#now())
    this.#arm()
    return isNews
  }

  /** A test call of a half-open quarantine has ended. If several workers ran one, the first result decides. */
  probed(hash: string, ok: boolean): void {
    const pluginFaults = this.#pluginFaults.get(hash)
    if (pluginFaults?.state !== 'half-open') return
    this.#change(pluginFaults, () => pluginFaults.probed(ok, this.#now()))
    this.#arm()
  }

  /** An operator ends the quarantine: recent faults no longer count. False when the plugin has no faults. */
  clear(hash: string): boolean {
    const pluginFaults = this.#pluginFaults.get(hash)
    if (pluginFaults === undefined) return false
    this.#suspects.drop(hash)
    this.#change(pluginFaults, () => pluginFaults.clear(this.#now()))
    this.#arm()
    return true
  }

  state(hash: string): QuarantineState {
    return this.#pluginFaults.get(hash)?.state ?? 'closed'
  }

  /** Plugins that must cross alone. */
  suspects(): readonly string[] {
    return this.#suspects.list
  }

  /** Every plugin with faults, for new workers and for reports. */
  snapshot(): readonly QuarantineEntry[] {
    return [...this.#pluginFaults.values()].map(({ hash, plugin, state, since, until, why, faults }) => {
      const suspect = this.#suspects.has(hash)
      return { hash, plugin, state, since, ...(until !== undefined && { until }), why, suspect, faults: { ...faults } }
    })
  }

  /** Cancels the timer. */
  close(): void {
    this.#wake?.cancel()
    this.#wake = undefined
  }

  #faultsOf(hash: string, plugin: string, now: number): PluginFaults {
    const known = this.#pluginFaults.get(hash)
    if (known !== undefined) return known
    const pluginFaults = new PluginFaults(hash, plugin, now)
    if (!this.#named.has(hash)) pluginFaults.unnamed = now
    this.#pluginFaults.set(hash, pluginFaults)
    if (this.#pluginFaults.size > this.#named.size + most) {
      for (const { hash, unnamed } of this.#pluginFaults.values()) {
        if (unnamed === undefined) continue
        this.#forget(hash)
        break
      }
    }
    return pluginFaults
  }

  #forget(hash: string): void {
    this.#suspects.drop(hash)
    this.#pluginFaults.delete(hash)
  }

  #change(pluginFaults: PluginFaults, act: () => void): void {
    const { state, until } = pluginFaults
    act()
    if (pluginFaults.state !== state || pluginFaults.until !== until)
      this.#onChange(pluginFaults.hash, pluginFaults.state, pluginFaults.why)
  }

  /** Runs everything that is due. */
  #tick(): void {
    const now = this.#now()
    this.#suspects.expire(now)
    for (const pluginFaults of [...this.#pluginFaults.values()]) {
      const { until, unnamed } = pluginFaults
      if (unnamed !== undefined && unnamed + memory <= now) this.#forget(pluginFaults.hash)
      else if (until !== undefined && until <= now) this.#change(pluginFaults, () => pluginFaults.probe(now))
    }
    this.#arm()
  }

  /** Sets the timer for the next time that something is due. */
  #arm(): void {
    let at = this.#suspects.next ?? Number.POSITIVE_INFINITY
    for (const { until, unnamed } of this.#pluginFaults.values()) {
      at = Math.min(at, until ?? at, unnamed === undefined ? at : unnamed + memory)
    }
    if (at === this.#wake?.at) return
    this.close()
    if (at === Number.POSITIVE_INFINITY) return
    const cancel = this.#schedule(Math.max(0, at - this.#now()), () => {
      this.#wake = undefined
      this.#tick()
    })
    this.#wake = { at, cancel }
  }
}

function monotonic(): number {
  return performance.timeOrigin + performance.now()
}

function later(delay: number, run: () => void): () => void {
  // A timer may fire slightly early, when nothing is due yet.
  const timer = setTimeout(run, Math.ceil(delay) + 1).unref()
  return () => clearTimeout(timer)
}
