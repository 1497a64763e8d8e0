import type { Binding } from './layout.ts'
import type { FailureCode, QuarantineState } from './plugin.ts'
import type { StepTurn } from './step-turn.ts'

/** How a step may cross: with others, alone, or not at all. */
export type Passage = 'together' | 'alone' | Denial

/** Why a step may not cross; its call fails with this code. */
export interface Denial {
  readonly code: FailureCode
  readonly message: string
}

/**
 * The circuit breaker of one group. It decides how a step may cross: from the plugin's quarantine state, which the
 * supervisor sets (`Supervision`), and from the isolates that the plugin has cost this group (`Pause`).
 */
export class Breaker {
  readonly #supervision: Supervision
  /** By the plugin's index in the group. Empty unless a plugin has cost an isolate. */
  readonly #pauses = new Map<number, Pause>()
  #lastCall = Number.POSITIVE_INFINITY

  constructor(supervision: Supervision) {
    this.#supervision = supervision
  }

  /** @param lastCall number of the last call that is accepted. */
  close(lastCall: number): void {
    this.#lastCall = lastCall
  }

  /** How the step may cross. In state `half-open` this makes it the probe if the plugin has none under way. */
  passage(turn: StepTurn): Passage {
    const { binding, pending, hook, plugin } = turn
    if (pending.number > this.#lastCall) return { code: 'PE', message: 'the sandbox is closed' }
    if (binding.entries[hook] === undefined) return { code: 'PE', message: `plugin "${plugin}" has no ${hook}` }
    const passage = this.#supervision.passage(turn.hash, turn)
    if (typeof passage === 'object') return passage
    // A pause applies neither to a probe, which has to show how the plugin fares, nor to a step that has begun before.
    const isNew = passage === 'together' && !turn.tried
    const code = isNew ? this.#pauses.get(binding.plugin)?.failure(pending.number) : undefined
    if (code !== undefined) return { code, message: pausedMessage }
    return pending.alone ? 'alone' : passage
  }

  /** No plugin is restricted, and none has cost an isolate. */
  get isQuiet(): boolean {
    return this.#pauses.size === 0 && this.#supervision.isEmpty
  }

  /** A plugin is not restricted in any way, so its steps may cross together with others of the same call. */
  isUnrestricted({ plugin, instance }: Binding): boolean {
    return !this.isSupervised(instance.plugin.hash) && this.#pauses.get(plugin)?.isOver !== false
  }

  /** The supervisor has restricted the plugin with this hash: it is suspect, `open` or `half-open`. */
  isSupervised(hash: string): boolean {
    return this.#supervision.has(hash)
  }

  /** The call is over. Returns true when it was the probe of its plugin; the next call becomes the probe then. */
  endProbe(turn: StepTurn): boolean {
    return this.#supervision.endProbe(turn.hash, turn)
  }

  /**
   * A plugin caused the loss of an isolate. Returns how long the plugin is paused, ms; 0 when it is not.
   *
   * @param plugin index of the plugin in the group.
   * @param lastCall see `Pause.lost`.
   */
  lost(plugin: number, code: FailureCode, lastCall: number): number {
    const pause = this.#pauses.get(plugin) ?? new Pause()
    this.#pauses.set(plugin, pause)
    return pause.lost(code, lastCall)
  }
}

interface Restriction {
  suspect: boolean
  state: QuarantineState
  /** The one call that a plugin in state `half-open` has under way. */
  probe: object | undefined
}

/**
 * Which plugins the supervisor has restricted, by the hash of their code. All groups of a sandbox share it. It is empty
 * nearly always, and then its checks cost nothing.
 */
export class Supervision {
  readonly #restrictions = new Map<string, Restriction>()

  suspect(hashes: readonly string[], on: boolean): void {
    for (const hash of hashes) this.#change(hash, { suspect: on })
  }

  quarantine(hash: string, state: QuarantineState): void {
    this.#change(hash, { state })
  }

  stateOf(hash: string): QuarantineState {
    return this.#restrictions.get(hash)?.state ?? 'closed'
  }

  get isEmpty(): boolean {
    return this.#restrictions.size === 0
  }

  has(hash: string): boolean {
    return this.#restrictions.size > 0 && this.#restrictions.has(hash)
  }

  /** @param call identity of the call. In state `half-open` the first call that asks is the probe until `endProbe`. */
  passage(hash: string, call: object): Passage {
    const restriction = this.#restrictions.size === 0 ? undefined : this.#restrictions.get(hash)
    if (restriction === undefined) return 'together'
    if (restriction.state === 'open') return quarantined
    if (restriction.state === 'closed') return restriction.suspect ? 'alone' : 'together'
    restriction.probe ??= call
    return restriction.probe === call ? 'alone' : quarantined
  }

  endProbe(hash: string, call: object): boolean {
    const restriction = this.#restrictions.size === 0 ? undefined : this.#restrictions.get(hash)
    if (restriction === undefined || restriction.probe !== call) return false
    restriction.probe = undefined
    return true
  }

  #change(hash: string, change: Partial<Restriction>): void {
    const unrestricted: Restriction = { suspect: false, state: 'closed', probe: undefined }
    const restriction = { ...unrestricted, ...this.#restrictions.get(hash), ...change }
    if (restriction.suspect || restriction.state !== 'closed') this.#restrictions.set(hash, restriction)
    else this.#restrictions.delete(hash)
  }
}

const quarantined: Denial = { code: 'PQ', message: 'the plugin is quarantined' }

/** Losses in a row without a pause: a single bad request may cause them, and the plugin's other calls should go on. */
const freeLosses = 3
/** A loss continues the row until this long after the last one, or after the pause that followed it, ms. */
const rowWindow = 10_000
const pausedMessage = `the plugin is paused: it lost more than ${freeLosses} isolates in a row`
const shortestPause = 1_000
const longestPause = 60_000

/**
 * The pause of a plugin that has lost isolates in a row, since each loss costs its whole group time. The fourth loss
 * pauses the plugin for 1 s, the next ones for 2 s, 4 s, … up to 60 s. The other plugins of its group go on.
 */
export class Pause {
  readonly #now: () => number
  #row = 0
  #until = Number.NEGATIVE_INFINITY
  #code: FailureCode = 'PE'
  #lastCall = 0

  /** @param now clock, ms. Default: the monotonic one. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /**
   * The plugin caused the loss of an isolate. Returns how long it is paused, ms; 0 when it is not.
   *
   * @param lastCall number of the last call so far: the pause applies to later calls only.
   */
  lost(code: FailureCode, lastCall: number): number {
    const now = this.#now()
    this.#row = now - this.#until < rowWindow ? this.#row + 1 : 1
    const pause = this.#row > freeLosses ? Math.min(longestPause, shortestPause * 2 ** (this.#row - freeLosses - 1)) : 0
    this.#until = now + pause
    this.#code = code
    this.#lastCall = lastCall
    return pause
  }

  /** No new call falls into the pause. */
  get isOver(): boolean {
    return this.#row <= freeLosses || this.#now() >= this.#until
  }

  /** The code of the last loss when this call falls into the pause; otherwise `undefined`. */
  failure(call: number): FailureCode | undefined {
    const isPaused = this.#row > freeLosses && call > this.#lastCall && this.#now() < this.#until
    return isPaused ? this.#code : undefined
  }
}
