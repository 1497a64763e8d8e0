import { bounds } from '../bounds.ts'
import { ended, holdsAll, kinds, leftOut, threeDigits, twoDigits } from '../frame.ts'
import { endsSegment, entry, OPERATION, RECORD, UNIT, waits } from '../wire.ts'
import { broken } from './guest.ts'
import { type Leases, type Taker, withoutPlace } from './leases.ts'

export type Enter = (id: number, entry: number, text: string) => unknown

/** The host during a crossing. Each callback takes some 2 µs, so a crossing calls each of them once or twice only. */
export interface Port {
  /** Performs grant operations; `frame.ts` has the format of both strings. */
  answer(asked: string): string
  /** Receives the output of a crossing whose hooks waited: `dispatch` had to return before they could continue. */
  finish(output: string): void
}

/** What all crossings share. */
export interface CrossingSetting {
  /** By the plugin's index; not a function when the plugin did not start. */
  readonly plugins: readonly Enter[]
  /** Receives the index of each step before it runs, and -1 after it. */
  readonly mark: (index: number) => void
  readonly port: Port | undefined
  readonly leases: Leases | undefined
  /** Receives the output of a crossing that continued in microtasks. */
  readonly onEnd: (output: string) => void
}

/** A hook that waits while its crossing is under way. */
interface Waiting {
  /** Index of its step in the crossing. */
  readonly index: number
  readonly plugin: number
  readonly id: number
  /** What it has asked for and the host has not received yet. */
  record: string
  /** Decides what it takes from counters, until it asks for anything that only the host can do. */
  readonly taker: Taker | undefined
}

const start = kinds.start.charCodeAt(0)
const chained = kinds.chained.charCodeAt(0)
const resume = kinds.resume.charCodeAt(0)
/**
 * Microtask turns between two polls of the waiting hooks. A hook needs three turns from a grant's result to its end,
 * and polling one hook costs 0.1 µs.
 */
const stride = 3
/** Polls in a row without progress of any hook after which the waiting hooks are released. */
const idlePolls = 6
const resolved = Promise.resolve()
/** Taken once: the dispatcher's global is sealed, and looking something up there is slow. */
const { now } = Date
const { abs } = Math
/** Shared empty list: in most crossings no hook waits. */
const noWaiting: Waiting[] = []

/**
 * The steps of one crossing. Hooks that wait for results which the host has immediately get them and continue in the
 * microtasks of the crossing; so do the steps that are chained to them.
 */
export class GuestCrossing {
  readonly #setting: CrossingSetting
  readonly #steps: readonly string[]
  readonly #began = now()
  /** Records of the steps that were done, in order; as long as the list of steps from the beginning. */
  readonly #records: string[]
  /** How many steps were done. */
  #done = 0
  /** All records so far are empty. */
  #silent = true
  #waiting: Waiting[] = noWaiting
  /** Characters of the records so far. */
  #size = 0
  #turns = 0
  /** Polls in a row without progress. */
  #quiet = 0

  constructor(setting: CrossingSetting, crossing: string) {
    this.#setting = setting
    this.#steps = crossing.split(RECORD)
    // With frozen prototypes a list that grows would be slow.
    this.#records = crossing.split(RECORD)
  }

  /** Empty when every step was done and all records are empty. */
  get output(): string {
    if (this.#silent && this.#done === this.#steps.length - 1) return ''
    let output = ''
    for (let i = 0; i < this.#done; i++) output += this.#records[i]! + RECORD
    return output
  }

  /**
   * Runs the steps until the time slice is over. Returns whether the crossing is over; if not, it continues in
   * microtasks.
   */
  run(): boolean {
    const { length } = this.#steps
    let id = +this.#steps[0]!
    let out = false
    for (let i = 1; i < length; ) {
      const kind = this.#steps[i]!.charCodeAt(0)
      const isStart = kind === start || kind === chained
      let record = ''
      if (kind !== chained || !out) {
        record = isStart ? this.#begin(id, i - 1) : this.#resume(kind, i - 1)
        // A step chained to this one is the next one.
        out = this.#isChained(i) && endsSegment(record)
      }
      if (isStart) id++
      this.#store(i - 1, record)
      this.#done = i
      i++
      if (this.#isFull()) break
    }
    if (this.#waiting.length === 0) return true
    this.#answer()
    if (this.#waiting.length === 0) return true
    resolved.then(() => this.#turn())
    return false
  }

  /** Whether the step after this index is chained to it. */
  #isChained(index: number): boolean {
    return this.#steps[index + 1]?.charCodeAt(0) === chained
  }

  /**
   * The steps that have not begun have to wait for the next crossing: the time slice is over, or the host has enough to
   * read. An absolute difference, as a clock that is set back must not extend the slice.
   */
  #isFull(): boolean {
    return this.#size >= bounds.crossing || abs(now() - this.#began) >= bounds.slice
  }

  #begin(id: number, index: number): string {
    const text = this.#steps[index + 1]!
    const plugin = twoDigits(text, 1)
    const number = threeDigits(text, 3)
    const record = this.#enter(plugin, id, number, text.slice(6), index)
    const { port, leases } = this.#setting
    if (port !== undefined && waits(record)) {
      this.#attend({ index, plugin, id, record, taker: leases?.taker(plugin, number, id) })
    }
    return record
  }

  #resume(kind: number, index: number): string {
    const text = this.#steps[index + 1]!
    const plugin = twoDigits(text, 1)
    const end = text.indexOf(UNIT)
    const id = +text.slice(3, end)
    const isAttended = kind === resume && this.#setting.port !== undefined
    const number = kind === resume ? (isAttended ? entry.answer : entry.resume) : entry.drop
    this.#enter(plugin, id, number, text.slice(end + 1), index)
    if (isAttended) this.#attend({ index, plugin, id, record: '', taker: undefined })
    return ''
  }

  #attend(waiting: Waiting): void {
    if (this.#waiting === noWaiting) this.#waiting = []
    this.#waiting.push(waiting)
  }

  /** Gives the hook the result of the take that it waits for, if it waits for one that can be decided here. */
  #decide(waiting: Waiting): boolean {
    const { plugin, id, index, taker, record } = waiting
    const result = taker?.decide(record)
    if (result === undefined) return false
    waiting.record = ''
    this.#records[index] = ''
    this.#enter(plugin, id, entry.answer, result, index)
    return true
  }

  /** Passes on to the host what hooks have asked for, and gives them the results it has. */
  #answer(): void {
    const asking = this.#waiting.filter((waiting) => waiting.record !== '' && !this.#decide(waiting))
    if (asking.length === 0) return
    let asked = ''
    for (const { id, record } of asking) asked += id + RECORD + record + RECORD
    const answers = this.#setting.port!.answer(asked).split(RECORD)
    for (let i = 0; i < asking.length; i++) {
      const waiting = asking[i]!
      const { plugin, id, index, taker } = waiting
      const answer = answers[i] ?? ''
      waiting.record = ''
      const results = answer.length > 1 ? answer.slice(1).split(OPERATION) : []
      for (const result of results) this.#enter(plugin, id, entry.answer, withoutPlace(result, taker), index)
      this.#records[index] = ''
      if (answer.charAt(0) !== holdsAll) this.#release(waiting)
      // The hook waits for a promise of its own, not for a grant: its records are collected.
      else if (results.length === 0) this.#enter(plugin, id, entry.collect, '', index)
    }
  }

  #turn(): void {
    if (++this.#turns % stride === 0) this.#poll()
    if (this.#waiting.length > 0) resolved.then(() => this.#turn())
  }

  /** Collects the records of waiting hooks. */
  #poll(): void {
    const before = this.#waiting
    this.#waiting = []
    this.#quiet++
    for (const waiting of before) {
      const { index, plugin, id } = waiting
      if (waiting.record !== '') {
        this.#quiet = 0
        this.#waiting.push(waiting)
        continue
      }
      const record = this.#enter(plugin, id, entry.collect, '', index)
      if (waits(record)) {
        if (record.length > 1) {
          waiting.record = record
          this.#quiet = 0
        }
        this.#waiting.push(waiting)
        continue
      }
      this.#quiet = 0
      // An empty record: the call was dropped, or it is in the list twice (two results came in) and has ended already.
      if (record !== '') this.#end(waiting, record)
    }
    this.#answer()
    if (this.#quiet >= idlePolls) for (const waiting of [...this.#waiting]) this.#release(waiting)
    if (this.#waiting.length === 0) this.#setting.onEnd(this.output)
  }

  /** A hook has ended; the steps chained to it have their turns. */
  #end({ index, id }: Waiting, record: string): void {
    const isStart = this.#steps[index + 1]!.charCodeAt(0) !== resume
    let last = isStart && record === ended ? '' : record
    this.#store(index, last)
    for (let next = index + 1; next < this.#done && this.#isChained(next); next++) {
      if (endsSegment(last)) return
      last = this.#isFull() ? leftOut : this.#begin(id + next - index, next)
      this.#store(next, last)
      if (last === leftOut) return
    }
  }

  /** From now on the hook sends its records itself. */
  #release(waiting: Waiting): void {
    this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
    const record = this.#enter(waiting.plugin, waiting.id, entry.release, '', waiting.index)
    if (record !== '') this.#end(waiting, record)
  }

  #store(index: number, record: string): void {
    this.#records[index] = record
    this.#size += record.length
    if (record !== '') this.#silent = false
  }

  #enter(plugin: number, id: number, number: number, text: string, index: number): string {
    let record: unknown
    // Called as a plain function: as a method it would get the list of all plugins as `this`.
    const enter = this.#setting.plugins[plugin]!
    this.#setting.mark(index)
    try {
      record = enter(id, number, text)
    } catch {
      record = broken
    }
    // Microtasks after the only step of a crossing can only be its own.
    if (this.#steps.length > 2) this.#setting.mark(-1)
    if (record === '' || (record === ended && number <= entry.collect)) return record
    return isSound(record) ? record : broken
  }
}

function isSound(record: unknown): record is string {
  if (typeof record !== 'string' || record.length > bounds.hostRecord + bounds.body) return false
  return !record.includes(RECORD) && record !== leftOut && record !== ended
}
