/** Length of a tick, ms. */
const tick = 100

/** Slots of the wheel, a power of two: 51 s in one turn. What is due later stays in its slot for another turn. */
const slots = 512

/** The owner of a timer. */
export interface Expiring {
  onTimeout(): void
}

/**
 * Timeouts for very many connections: arming and disarming are a few assignments, and one interval serves all timers.
 * Coarse: a timeout fires up to 200 ms late and never early. The wheel counts ticks, not time, so when a process that was
 * stopped continues, its timers have not all expired.
 */
export class TimerWheel {
  readonly #slots: (WheelTimer | undefined)[] = new Array<WheelTimer | undefined>(slots).fill(undefined)
  #now = 0
  #armed = 0
  /** The next timer to examine while a slot is walked. */
  #cursor: WheelTimer | undefined
  #interval: NodeJS.Timeout | undefined

  /** Timers that are armed. */
  get armed(): number {
    return this.#armed
  }

  arm(timer: WheelTimer, ms: number): void {
    // Part of the current tick is over already.
    const due = this.#now + Math.ceil(ms / tick) + 1
    if (due === timer.due) return
    this.disarm(timer)
    const slot = due & (slots - 1)
    const next = this.#slots[slot]
    timer.due = due
    timer.next = next
    if (next !== undefined) next.previous = timer
    this.#slots[slot] = timer
    this.#armed++
    if (this.#interval !== undefined) return
    this.#interval = setInterval(turn, tick, this)
    // The connections keep the process alive, not their timeouts.
    this.#interval.unref()
  }

  disarm(timer: WheelTimer): void {
    const { due, next, previous } = timer
    if (due === 0) return
    if (this.#cursor === timer) this.#cursor = next
    if (previous === undefined) this.#slots[due & (slots - 1)] = next
    else previous.next = next
    if (next !== undefined) next.previous = previous
    timer.due = 0
    timer.next = undefined
    timer.previous = undefined
    this.#armed--
  }

  /** One tick: timers that are due expire. Their `onTimeout` may arm and disarm any timer. */
  turn(): void {
    this.#now++
    this.#cursor = this.#slots[this.#now & (slots - 1)]
    while (this.#cursor !== undefined) {
      const timer: WheelTimer = this.#cursor
      this.#cursor = timer.next
      if (timer.due > this.#now) continue
      this.disarm(timer)
      timer.owner.onTimeout()
    }
    if (this.#armed > 0) return
    clearInterval(this.#interval)
    this.#interval = undefined
  }
}

/** The wheel of this process. */
const common: TimerWheel = new TimerWheel()

/** One timeout, which can be armed and disarmed any number of times; a link in the list of a slot while armed. */
export class WheelTimer {
  readonly owner: Expiring
  readonly #wheel: TimerWheel
  /** The tick in which it expires, 0 when disarmed. For the wheel only, like the links. */
  due = 0
  next: WheelTimer | undefined
  previous: WheelTimer | undefined

  constructor(owner: Expiring, wheel: TimerWheel = common) {
    this.owner = owner
    this.#wheel = wheel
  }

  get isArmed(): boolean {
    return this.due !== 0
  }

  /** Starts or restarts it: `onTimeout` after `ms` milliseconds, unless disarmed or armed again before that. */
  arm(ms: number): void {
    this.#wheel.arm(this, ms)
  }

  disarm(): void {
    this.#wheel.disarm(this)
  }
}

function turn(wheel: TimerWheel): void {
  wheel.turn()
}
