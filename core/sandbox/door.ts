import { BackOff } from './back-off.ts'
import type { Gate } from './gate.ts'
import type { HookRun } from './hook-run.ts'
import type { FailureCode } from './plugin.ts'

/** Why a step may not cross at all. */
export interface Denial {
  readonly code: FailureCode
  readonly message: string
}

/** Judges how a step of a group may cross: by what the supervisor has said, and by what its plugin has cost already. */
export class Door {
  readonly #gate: Gate
  readonly #backOffs = new Map<number, BackOff>()
  #lastCall = Number.POSITIVE_INFINITY

  constructor(gate: Gate) {
    this.#gate = gate
  }

  /** @param lastCall number of the last call that is taken. */
  close(lastCall: number): void {
    this.#lastCall = lastCall
  }

  passage(run: HookRun): 'together' | 'alone' | Denial {
    const { place, pending, hook, plugin } = run
    if (pending.number > this.#lastCall) return { code: 'PE', message: 'the sandbox is closed' }
    if (place.entries[hook] === undefined) return { code: 'PE', message: `plugin "${plugin}" has no ${hook}` }
    const passage = this.#gate.passage(run.hash, run)
    if (passage === 'none') return { code: 'PQ', message: 'its plugin is quarantined' }
    // A probe is to show how it fares, and what has begun is not made to pay.
    const isNew = passage === 'together' && !run.tried
    const code = isNew ? this.#backOffs.get(place.plugin)?.failure(pending.number) : undefined
    if (code !== undefined) return { code, message: 'its plugin lost its isolate too often and rests' }
    return pending.alone ? 'alone' : passage
  }

  /** Nothing stands against it, so that it need not be judged at its turn. */
  isOpen({ place, hook, hash }: HookRun): boolean {
    return this.#gate.isFree(hash) && !this.#backOffs.has(place.plugin) && place.entries[hook] !== undefined
  }

  /**
   * A plugin was to blame for an isolate. Returns how long it has to rest, ms.
   *
   * @param plugin its place in the group.
   * @param lastCall see `BackOff.lost`.
   */
  lost(plugin: number, code: FailureCode, lastCall: number): number {
    const backOff = this.#backOffs.get(plugin) ?? new BackOff()
    this.#backOffs.set(plugin, backOff)
    return backOff.lost(code, lastCall)
  }
}
