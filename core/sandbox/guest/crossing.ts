import { bounds } from '../bounds.ts'
import { ended, holdsAll, kinds, leftOut, threeDigits, twoDigits, unfinished } from '../frame.ts'
import type { RunShape } from '../run-shape.ts'
import { endsRun, entry, flags, OPERATION, op, RECORD, UNIT, waits, zero } from '../wire.ts'
import type { CrossingSetting } from './crossing-setting.ts'
import { broken } from './guest.ts'
import { withoutPlace } from './leases.ts'
import { isSure } from './record-judge.ts'
import { GuestRun, type Member } from './run.ts'
import { StepTimes } from './step-times.ts'
import { Turns, type Waiting } from './waiting.ts'

const shape = kinds.shape.charCodeAt(0)
const run = kinds.run.charCodeAt(0)
const start = kinds.start.charCodeAt(0)
const resume = kinds.resume.charCodeAt(0)
/** Taken once: the dispatcher's global is sealed, and looking something up there is slow. */
const { parse } = JSON
const { abs } = Math
/** Shared empty lists: in most crossings no hook waits, and no steps come behind the runs. */
const noWaiting: Waiting[] = []
const noSteps: string[] = ['']
/**
 * The records of each run call. One list for all crossings, since only one is under way: with frozen prototypes, a list
 * that grows is slow.
 */
const outs = new Array<string>(256).fill('')

/**
 * The steps of one crossing. Hooks that wait for results which leases or the host have immediately get them, continue in
 * the microtasks after that, and then the members of their run that come after them have their turns: so a crossing with
 * such hooks has several rounds.
 */
export class GuestCrossing {
  readonly #setting: CrossingSetting
  readonly #text: string
  /** How many run calls have begun. */
  #runs = 0
  /** How many members they have. */
  #members = 0
  /** The steps that are no members of runs, from index 1 on. */
  #steps = noSteps
  /** Their records, as far as they were done, in order; as long as the list of steps from the beginning. */
  #records = noSteps
  /** How many of them were done. */
  #done = 0
  /** Everything was done, as far as is known. */
  #complete = true
  /** All records so far are empty. */
  #silent = true
  #waiting: Waiting[] = noWaiting
  /** Characters of the records so far. */
  #size = 0
  readonly #times = new StepTimes()

  constructor(setting: CrossingSetting, text: string) {
    this.#setting = setting
    this.#text = text
  }

  /** The first round: runs the steps until the time slice is over. Returns a result as in `frame.ts`. */
  begin(): string {
    const text = this.#text
    const head = text.indexOf(RECORD)
    const id = +text.slice(0, head)
    const at = this.#runAll(head === -1 ? text.length : head, id)
    if (at < text.length) {
      if (this.#isFull() || text.charCodeAt(at + 1) === run) this.#complete = false
      else this.#stepAll(text.slice(at), id + this.#members)
    }
    return this.#endRound()
  }

  /** The next round, when the microtasks of the last one are over. @param answers as in `frame.ts`. */
  goOn(answers: string): string {
    const waiting = this.#waiting
    this.#waiting = []
    this.#times.share(waiting)
    const pieces = answers.split(RECORD)
    let asked = 0
    for (const one of waiting) {
      if (one.record !== '') this.#take(one, pieces[asked++]!)
      else this.#collect(one)
    }
    return this.#endRound()
  }

  /** Hooks get what leases allow; what else they wait for is the host's to answer. */
  #endRound(): string {
    let asked = ''
    for (const waiting of this.#waiting) {
      const { id, record } = waiting
      // It waits for a promise of its own.
      if (record === op.wait) this.#passedOn(waiting)
      else if (record !== '' && !this.#decide(waiting)) asked += id + RECORD + record + RECORD
    }
    // Microtasks after the only step of a crossing can only be its own.
    if (this.#count > 1) this.#setting.mark(-1)
    return this.#waiting.length === 0 ? this.#output : unfinished + asked
  }

  get #output(): string {
    const times = this.#times.text
    if (this.#silent && this.#complete) return times === '' ? '' : times + RECORD
    let output = times + RECORD
    for (let i = 0; i < this.#runs; i++) output += outs[i]!
    for (let i = 0; i < this.#done; i++) output += this.#records[i]! + RECORD
    return output
  }

  /** How many steps the crossing has. */
  get #count(): number {
    return this.#members + this.#steps.length - 1
  }

  /** Runs the calls of runs. Returns where the rest of the text begins, with a RECORD. */
  #runAll(from: number, first: number): number {
    const text = this.#text
    let at = from
    while (at < text.length) {
      const kind = text.charCodeAt(at + 1)
      if (kind === shape) at = this.#learn(at + 2)
      else if (kind !== run || this.#isFull() || this.#runs === outs.length) break
      else at = this.#beginRun(at + 2, first + this.#members)
    }
    return at
  }

  #learn(from: number): number {
    const found = this.#text.indexOf(RECORD, from)
    const end = found === -1 ? this.#text.length : found
    const { plugins, starts, runs } = this.#setting
    const learnt = parse(this.#text.slice(from, end)) as RunShape
    runs[learnt.number] = new GuestRun(learnt, starts, plugins)
    return end
  }

  /** Cuts the fields of a call out of the text and gives each member its turn. Returns the end of its piece. */
  #beginRun(from: number, id: number): number {
    const text = this.#text
    const called = this.#setting.runs[threeDigits(text, from)]!
    const bits = text.charCodeAt(from + 3) - zero
    const { values } = called
    const last = (bits & flags.hasStates) === 0 ? called.fields : called.all
    let at = from + 4
    for (let i = 1; i <= last; i++) {
      const end = text.indexOf(UNIT, at)
      values[i] = text.slice(at, end)
      at = end + 1
    }
    const place = this.#runs++
    const index = this.#members
    this.#members += called.members.length
    outs[place] = ''
    this.#goThrough(called, place, id, index, bits, values, undefined)
    called.forget(text.length)
    return at
  }

  /**
   * The turns of the members, until one ends the run or waits.
   *
   * @param before of the member behind which they begin, which has waited. Default: they begin with the first one.
   */
  #goThrough(
    called: GuestRun,
    place: number,
    id: number,
    index: number,
    bits: number,
    values: string[],
    before: Turns | undefined,
  ): void {
    const { members, chained } = called
    const { canWait } = this.#setting
    for (let k = before === undefined ? 0 : before.member + 1; k < members.length; k++) {
      if (k > 0 && this.#isFull()) return this.#leaveOut(place)
      const member = members[k]!
      const record = this.#call(member, id + k, index + k, bits, values)
      if (record === '') {
        outs[place] += RECORD
        continue
      }
      if (waits(record)) {
        const { plugin } = member
        if (canWait && isSure(outs[place]!, members, k, before)) {
          const turns = new Turns(called, place, id, index, bits, values.slice(), k)
          const taker = this.#setting.leases?.taker(plugin, member.entry, id + k)
          return this.#attend({ index: index + k, plugin, id: id + k, record, turns, taker })
        }
        this.#enter(plugin, id + k, entry.release, '', index + k)
      }
      if (!this.#keep(called, place, k, record, record, values) && chained) return
    }
  }

  /** Keeps the record of a member. Returns whether the next one has its turn. */
  #keep(called: GuestRun, place: number, k: number, record: string, written: string, values: string[]): boolean {
    outs[place] += record + RECORD
    this.#size += record.length
    this.#silent = false
    if (endsRun(record)) return false
    if (called.members[k]!.overlay(written, values)) return true
    this.#leaveOut(place)
    return false
  }

  #leaveOut(place: number): void {
    outs[place] += leftOut + RECORD
    this.#silent = false
  }

  #call(member: Member, id: number, index: number, bits: number, values: readonly string[]): string {
    let record: unknown
    this.#setting.mark(index)
    try {
      record = member.call(id, bits, values)
    } catch {
      record = broken
    }
    this.#times.measure(index)
    if (record === '') return ''
    return isSound(record) ? record : broken
  }

  /** The steps that are no members of runs. */
  #stepAll(text: string, first: number): void {
    this.#steps = text.split(RECORD)
    // With frozen prototypes a list that grows would be slow.
    this.#records = text.split(RECORD)
    const { length } = this.#steps
    let id = first
    for (let i = 1; i < length; ) {
      const kind = this.#steps[i]!.charCodeAt(0)
      const record = kind === start ? this.#begin(id++, i - 1) : this.#resume(kind, i - 1)
      this.#store(i - 1, record)
      this.#done = i
      i++
      if (this.#isFull()) break
    }
    this.#complete = this.#done === length - 1
  }

  /**
   * The steps that have not begun have to wait for the next crossing: the time slice is over, or the host has enough to
   * read. An absolute difference, as a clock that is set back must not extend the slice.
   */
  #isFull(): boolean {
    return this.#size >= bounds.crossing || abs(this.#times.passed) >= bounds.slice
  }

  #begin(id: number, index: number): string {
    const text = this.#steps[index + 1]!
    const plugin = twoDigits(text, 1)
    const number = threeDigits(text, 3)
    const at = this.#members + index
    const record = this.#enter(plugin, id, number, text.slice(6), at)
    this.#times.measure(at)
    const { canWait, leases } = this.#setting
    if (waits(record)) {
      const taker = leases?.taker(plugin, number, id)
      if (canWait) this.#attend({ index: at, plugin, id, record, turns: undefined, taker })
      else this.#enter(plugin, id, entry.release, '', at)
    }
    return record
  }

  #resume(kind: number, index: number): string {
    const text = this.#steps[index + 1]!
    const plugin = twoDigits(text, 1)
    const end = text.indexOf(UNIT)
    const id = +text.slice(3, end)
    const isAttended = kind === resume && this.#setting.canWait
    const number = kind === resume ? (isAttended ? entry.answer : entry.resume) : entry.drop
    const at = this.#members + index
    this.#enter(plugin, id, number, text.slice(end + 1), at)
    this.#times.measure(at)
    if (isAttended) this.#attend({ index: at, plugin, id, record: '', turns: undefined, taker: undefined })
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
    this.#passedOn(waiting)
    this.#enter(plugin, id, entry.answer, result, index)
    return true
  }

  /** What the hook has asked for is no longer kept here, except for what it has written. */
  #passedOn(waiting: Waiting): void {
    const { turns, index, record } = waiting
    if (turns !== undefined) {
      turns.written += record + OPERATION
      turns.waits++
    } else this.#records[index - this.#members] = ''
    waiting.record = ''
  }

  /** The host has answered the hook. */
  #take(waiting: Waiting, answer: string): void {
    const { plugin, id, index, taker, turns } = waiting
    this.#passedOn(waiting)
    const results = answer.length > 1 ? answer.slice(1).split(OPERATION) : []
    for (const result of results) this.#enter(plugin, id, entry.answer, withoutPlace(result, taker), index)
    if (answer.charAt(0) === holdsAll) this.#waiting.push(waiting)
    else {
      if (turns !== undefined) turns.isReleased = true
      this.#release(waiting)
    }
  }

  /** Takes what a hook has written and asked for. One that waits for nothing that this crossing can bring is released. */
  #collect(waiting: Waiting): void {
    const record = this.#enter(waiting.plugin, waiting.id, entry.collect, '', waiting.index)
    if (!waits(record)) return this.#finish(waiting, record)
    if (record.length === 1) return this.#release(waiting)
    waiting.record = record
    this.#waiting.push(waiting)
  }

  /** @param record empty when the realm knows nothing of the hook. */
  #finish(waiting: Waiting, record: string): void {
    // A step was dropped, or is in the list twice (two results came in) and has ended already. A member of a run is neither,
    // so its realm has lost it; and without a record of it the host would take the next one for its own.
    if (record !== '') this.#end(waiting, record)
    else if (waiting.turns !== undefined) this.#end(waiting, broken)
  }

  /** A hook has ended; if it is a member of a run, the members after it have their turns. */
  #end({ index, turns }: Waiting, record: string): void {
    if (turns !== undefined) return this.#goOnThrough(turns, record)
    const step = index - this.#members
    const isStart = this.#steps[step + 1]!.charCodeAt(0) === start
    this.#store(step, isStart && record === ended ? '' : record)
  }

  #goOnThrough(turns: Turns, last: string): void {
    const { run, place, id, index, bits, values, member, written } = turns
    const record = last === ended ? '' : last
    turns.written = record === '' ? written.slice(0, -1) : written + record
    const goesOn = this.#keep(run, place, member, record, turns.written, values)
    if (goesOn || !run.chained) this.#goThrough(run, place, id, index, bits, values, turns)
    if (this.#count > 1) this.#setting.mark(-1)
  }

  /** From now on the hook sends its records itself. */
  #release(waiting: Waiting): void {
    this.#finish(waiting, this.#enter(waiting.plugin, waiting.id, entry.release, '', waiting.index))
  }

  #store(step: number, record: string): void {
    this.#records[step] = record
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
    if (this.#count > 1) this.#setting.mark(-1)
    if (record === '' || (record === ended && number <= entry.collect)) return record
    return isSound(record) ? record : broken
  }
}

function isSound(record: unknown): record is string {
  if (typeof record !== 'string' || record.length > bounds.hostRecord + bounds.body) return false
  return !record.includes(RECORD) && record !== leftOut && record !== ended
}
