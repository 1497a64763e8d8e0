import type { StuckReport } from '../guard/stuck-report.ts'
import type { GuardedCall } from '../sandbox/crossing-guard.ts'
import type { SandboxEvent } from '../sandbox/event.ts'
import { type Fault, isDeath } from './fault.ts'
import { PluginFaults, type QuarantineEntry, type QuarantineState } from './plugin-faults.ts'
import { Suspects } from './suspects.ts'

export interface QuarantineOptions {
  /** ms since the epoch, never going back. */
  readonly now?: () => number
  /** Runs something once, later; returns how to call it off. */
  readonly schedule?: (delay: number, run: () => void) => () => void
  /** A plugin is stopped, tried or let run again: for every worker, those to come too (`snapshot`). */
  onChange(hash: string, state: QuarantineState, why: string): void
  /** These plugins are to cross alone from now on, or need not any more. */
  onSuspects?(hashes: readonly string[], on: boolean): void
}

/** How long the faults of a plugin are remembered when no configuration names it any more, ms. */
const memory = 3_600_000
/** Plugins remembered, beyond those that the configuration names. */
const most = 1_000

/**
 * Counts the faults of plugins on all workers, by the hash of their code, and stops plugins with too many. Lives
 * in the supervisor, because a worker's own count would die with the worker.
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

  /** Takes note of the plugins in use; others are forgotten after an hour, so that going back to a bad version does not clear its faults. */
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

  /** Takes an event of a sandbox; most events are not faults. */
  event({ type, hash, plugin, alone }: SandboxEvent): void {
    if (hash === '') return
    if (type === 'threw' || type === 'timeout' || type === 'memory') this.fault({ hash, plugin, kind: type, alone })
    else if (type === 'ok-probe' || type === 'failed-probe') this.probed(hash, type === 'ok-probe')
  }

  /**
   * A worker has died. If all calls that ran are of one plugin, it is to blame; otherwise all are suspects.
   *
   * @param report what its watchdog wrote, if that ended it.
   * @param slot what its crash slot shows; less exact, because it cannot tell whose code ran.
   */
  death(report: StuckReport | undefined, slot: readonly Pick<GuardedCall, 'hash' | 'plugin'>[]): void {
    const calls = report !== undefined && report.calls.length > 0 ? report.calls : slot
    const plugins = new Map(calls.map(({ hash, plugin }) => [hash, plugin]))
    const alone = plugins.size === 1
    for (const [hash, plugin] of plugins) {
      if (alone) this.fault({ hash, plugin, kind: report === undefined ? 'crash' : 'kill', alone })
      else this.#faultsOf(hash, plugin, this.#now())
    }
    if (!alone) this.#suspects.add(plugins.keys(), this.#now())
    this.#arm()
  }

  /** A call that was let through as a probe has ended. Of several the first one decides. */
  probed(hash: string, ok: boolean): void {
    const pluginFaults = this.#pluginFaults.get(hash)
    if (pluginFaults?.state !== 'half-open') return
    this.#change(pluginFaults, () => pluginFaults.probed(ok, this.#now()))
    this.#arm()
  }

  /** An operator lets it run again, and its faults are forgotten. `false` when nothing is known of it. */
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

  /** Plugins that are to cross alone. */
  suspects(): readonly string[] {
    return this.#suspects.list
  }

  /** Every plugin with a fault, for new workers and for reports. */
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
  // A timer may fire a little early; then there would be nothing to do yet.
  const timer = setTimeout(run, Math.ceil(delay) + 1).unref()
  return () => clearTimeout(timer)
}
