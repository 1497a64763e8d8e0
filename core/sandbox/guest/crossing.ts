import { bounds } from '../bounds.ts'
import { ended, holdsAll, kinds, leftOut, threeDigits, twoDigits } from '../frame.ts'
import { endsSegment, entry, OPERATION, RECORD, UNIT, waits } from '../wire.ts'
import { broken } from './guest.ts'

export type Enter = (id: number, entry: number, text: string) => unknown

/** The host, while a crossing is under way. Both are callbacks of some 2 µs, so a crossing makes each of them once or twice. */
export interface Port {
  /** Has grants do their work: `frame.ts` says what both strings look like. */
  answer(asked: string): string
  /** The output of a crossing whose hooks waited: `dispatch` had to return before they went on. */
  finish(output: string): void
}

/** What is the same for all crossings. */
export interface CrossingSetting {
  /** What is no function belongs to a plugin that did not start. */
  readonly plugins: readonly Enter[]
  readonly mark: (index: number) => void
  readonly port: Port | undefined
  /** Gets the output of a crossing that went on in microtasks. */
  readonly onEnd: (output: string) => void
}

/** A hook that waits, and is looked after until its crossing is over. */
interface Waiting {
  /** Of its step in the crossing. */
  readonly index: number
  readonly plugin: number
  readonly id: number
  /** What it has asked for and the host has not seen yet. */
  record: string
}

const start = kinds.start.charCodeAt(0)
const chained = kinds.chained.charCodeAt(0)
const resume = kinds.resume.charCodeAt(0)
/**
 * Turns of the microtasks between two looks at the hooks: from a grant's result to the end of the hook that awaited it there
 * are three, and to look at one costs 0.1 µs.
 */
const stride = 3
/** Looks in a row at which no hook has got on, before what waits is left to itself. */
const patience = 6
const resolved = Promise.resolve()
/** Most crossings have nobody that waits. */
const nobody: Waiting[] = []

/**
 * The steps of one crossing. When hooks wait for what the host has at once, they get it, and go on in the microtasks of the
 * crossing; so do the steps that are chained to them.
 */
export class GuestCrossing {
  readonly #setting: CrossingSetting
  readonly #steps: readonly string[]
  readonly #began = Date.now()
  /** Of the steps that were done, in their order. */
  readonly #records: string[] = []
  #silent = true
  #waiting: Waiting[] = nobody
  #turns = 0
  #quiet = 0

  constructor(setting: CrossingSetting, crossing: string) {
    this.#setting = setting
    this.#steps = crossing.split(RECORD)
  }

  /** Empty when every step was done and no hook had anything to say. */
  get output(): string {
    if (this.#silent && this.#records.length === this.#steps.length - 1) return ''
    let output = ''
    for (const record of this.#records) output += record + RECORD
    return output
  }

  /** Makes the steps until the slice is over. Returns whether the crossing is over; if not, microtasks go on with it. */
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
        // Whoever is chained to it is the next one.
        out = this.#isChained(i) && endsSegment(record)
      }
      if (isStart) id++
      this.#records[i - 1] = record
      if (record !== '') this.#silent = false
      i++
      if (this.#isLate()) break
    }
    if (this.#waiting.length === 0) return true
    this.#answer()
    if (this.#waiting.length === 0) return true
    resolved.then(() => this.#turn())
    return false
  }

  /** Whether the step behind the one at this index is chained to it. */
  #isChained(index: number): boolean {
    return this.#steps[index + 1]?.charCodeAt(0) === chained
  }

  /** A clock that is set back must not turn the slice into an hour. */
  #isLate(): boolean {
    return Math.abs(Date.now() - this.#began) >= bounds.slice
  }

  #begin(id: number, index: number): string {
    const text = this.#steps[index + 1]!
    const plugin = twoDigits(text, 1)
    const record = this.#enter(plugin, id, threeDigits(text, 3), text.slice(6), index)
    if (this.#setting.port !== undefined && waits(record)) this.#attend({ index, plugin, id, record })
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
    if (isAttended) this.#attend({ index, plugin, id, record: '' })
    return ''
  }

  #attend(waiting: Waiting): void {
    if (this.#waiting === nobody) this.#waiting = []
    this.#waiting.push(waiting)
  }

  /** Shows the host what hooks have asked for, and hands them what it has. */
  #answer(): void {
    const asking = this.#waiting.filter(({ record }) => record !== '')
    if (asking.length === 0) return
    let asked = ''
    for (const { id, record } of asking) asked += id + RECORD + record + RECORD
    const answers = this.#setting.port!.answer(asked).split(RECORD)
    for (let i = 0; i < asking.length; i++) {
      const waiting = asking[i]!
      const { plugin, id, index } = waiting
      const answer = answers[i] ?? ''
      waiting.record = ''
      const results = answer.length > 1 ? answer.slice(1).split(OPERATION) : []
      for (const result of results) this.#enter(plugin, id, entry.answer, result, index)
      this.#records[index] = ''
      if (answer.charAt(0) !== holdsAll) this.#release(waiting)
      // It waits for no grant but for a promise of its own, and is told to keep what it comes to.
      else if (results.length === 0) this.#enter(plugin, id, entry.collect, '', index)
    }
  }

  #turn(): void {
    if (++this.#turns % stride === 0) this.#look()
    if (this.#waiting.length > 0) resolved.then(() => this.#turn())
  }

  /** Takes what hooks have come to. */
  #look(): void {
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
      // Nothing: somebody has dropped it, or a second result for it was on its way in.
      if (record !== '') this.#end(waiting, record)
    }
    this.#answer()
    if (this.#quiet >= patience) for (const waiting of [...this.#waiting]) this.#release(waiting)
    if (this.#waiting.length === 0) this.#setting.onEnd(this.output)
  }

  /** A hook has come to its end; those chained to it have their turns. */
  #end({ index, id }: Waiting, record: string): void {
    const isStart = this.#steps[index + 1]!.charCodeAt(0) !== resume
    let last = isStart && record === ended ? '' : record
    this.#store(index, last)
    for (let next = index + 1; next < this.#records.length && this.#isChained(next); next++) {
      if (endsSegment(last)) return
      last = this.#isLate() ? leftOut : this.#begin(id + next - index, next)
      this.#store(next, last)
      if (last === leftOut) return
    }
  }

  /** From here on it sends what it comes to by itself. */
  #release(waiting: Waiting): void {
    this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
    const record = this.#enter(waiting.plugin, waiting.id, entry.release, '', waiting.index)
    if (record !== '') this.#end(waiting, record)
  }

  #store(index: number, record: string): void {
    this.#records[index] = record
    if (record !== '') this.#silent = false
  }

  #enter(plugin: number, id: number, number: number, text: string, index: number): string {
    let record: unknown
    this.#setting.mark(index)
    try {
      record = this.#setting.plugins[plugin]!(id, number, text)
    } catch {
      record = broken
    }
    // What is left running of a lone step can only be its own.
    if (this.#steps.length > 2) this.#setting.mark(-1)
    if (record === '' || (record === ended && number <= entry.collect)) return record
    return isSound(record) ? record : broken
  }
}

function isSound(record: unknown): record is string {
  if (typeof record !== 'string' || record.length > bounds.record * 2 + bounds.body) return false
  return !record.includes(RECORD) && record !== leftOut && record !== ended
}
