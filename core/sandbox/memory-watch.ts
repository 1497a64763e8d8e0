import type { MemoryMember, ProcessMemory, ProcessSize } from './crossing-guard.ts'

/** How long crossings are looked at after unexplained growth, and after a retirement, ms. */
const span = { growth: 10_000, retirement: 60_000 }
/** What an isolate may hold outside of its heap beside its limit, MB: a look is not exact. */
const slack = 32
/** Addresses that an isolate may hold, MB. */
const addresses = 16_384

/**
 * Bills to an isolate what its crossings take outside of its heap, where no limit of V8 counts it. It looks at the
 * process before and after each crossing, but only for a while after the process has grown by more than all heaps
 * account for. Two steps, so that no plugin is blamed for another one's deed:
 *
 * 1. The crossings are billed as they are. An isolate that holds too much is retired; no plugin is at fault.
 * 2. After that every step crosses alone in the new isolate, and is billed to its plugin.
 */
export class MemoryWatch implements MemoryMember {
  turn = 0
  /** Each step has to cross alone. */
  isAlone = false
  /** The active isolate holds too much. */
  isFull = false
  readonly #process: ProcessMemory
  readonly #isolates: Isolates
  /** The heap limit of the isolate, MB. */
  readonly #limit: number
  #until = Number.NEGATIVE_INFINITY
  /** Of the active isolate, MB: everything, and by plugin. */
  #held: ProcessSize = { resident: 0, virtual: 0 }
  readonly #bills = new Map<number, number>()
  /** Before the crossing that runs; `undefined`: it is not looked at. */
  #before: ProcessSize | undefined

  constructor(process: ProcessMemory, limit: number, isolates: Isolates) {
    this.#process = process
    this.#limit = limit
    this.#isolates = isolates
    process.join(this)
  }

  /** What the isolates account for, MB. */
  held(): number {
    return this.#isolates.held()
  }

  watch(now: number): void {
    this.#until = Math.max(this.#until, now + span.growth)
  }

  close(): void {
    this.#process.leave(this)
  }

  before(now: number): void {
    const isWatched = now < this.#until
    if (!isWatched) this.isAlone = false
    this.#before = isWatched ? this.#look() : undefined
  }

  /**
   * The crossing has ended.
   *
   * @param plugin index of the plugin of its one step; -1 when it had several.
   */
  after(now: number, plugin: number): void {
    this.#process.crossed(this, now)
    if (this.#before === undefined) return
    const { resident, virtual } = this.#look()
    const grown = resident - this.#before.resident
    this.#held = {
      resident: this.#held.resident + grown,
      virtual: this.#held.virtual + virtual - this.#before.virtual,
    }
    if (grown > 0) this.#bills.set(plugin, (this.#bills.get(plugin) ?? 0) + grown)
    // What is freed may have been anyone's: it counts in favour of all.
    else for (const [index, bill] of this.#bills) this.#bills.set(index, Math.max(0, bill + grown))
    this.isFull = this.#held.resident > this.#limit + slack || this.#held.virtual > addresses
  }

  /**
   * The isolate is retired for what it holds. Returns the index of the plugin at fault; `undefined` when the blame is
   * not certain.
   */
  retire(now: number): number | undefined {
    const isCertain = this.isAlone
    const [most] = [...this.#bills].toSorted(([, a], [, b]) => b - a)
    this.#until = now + span.retirement
    this.isAlone = true
    this.replaced()
    return isCertain && most !== undefined && most[0] >= 0 && most[1] > this.#limit / 2 ? most[0] : undefined
  }

  /** A new isolate is active. */
  replaced(): void {
    this.isFull = false
    this.#held = { resident: 0, virtual: 0 }
    this.#bills.clear()
    this.#before = undefined
  }

  /** The process without what the isolates account for. */
  #look(): ProcessSize {
    const { resident, virtual } = this.#process.look()
    return { resident: resident - this.#isolates.held(), virtual }
  }
}

interface Isolates {
  held(): number
}
