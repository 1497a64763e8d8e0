import { LeaseJournal } from '../../grants/counter/lease-journal.ts'
import { decide, SlotNumbers } from '../../grants/counter/lease-numbers.ts'
import { ITEM, OPERATION, op, UNIT } from '../wire.ts'

/** A hook of a policy whose takes the dispatcher may decide, as the host sends them in JSON. */
export interface LeaseEntry {
  readonly plugin: number
  readonly entry: number
  /** Index of the memory of its policy. */
  readonly memory: number
  /** Most grant operations of one call. */
  readonly operations: number
}

/**
 * Characters of a take without its cost. Longer keys are left to the host, which keeps them as a hash; this is twice
 * their length, as every character may be escaped, and two numbers.
 */
const longest = 180
/** Characters of a cost: what has more is no exact number. */
const longestCost = 16
/** Last in the record of a hook that waits. */
const tail = OPERATION + op.wait
const { isSafeInteger } = Number

/** The leases of one policy that this isolate knows of. */
class PolicyLeases {
  /** Index of its memory. */
  readonly memory: number
  readonly #numbers: SlotNumbers
  readonly #size: number
  /** Key and limit, as a hook has written them and the host has accepted them, → place. */
  readonly #places = new Map<string, number>()
  /** By slot. Of full length from the beginning: with frozen prototypes a list that grows would be slow. */
  readonly #texts: string[]

  constructor(memory: SharedArrayBuffer, index: number) {
    this.memory = index
    const words = new Float64Array(memory)
    this.#numbers = new SlotNumbers(words)
    this.#size = words.length / SlotNumbers.width
    this.#texts = Array.from({ length: this.#size }, () => '')
  }

  find(text: string): SlotNumbers | undefined {
    const place = this.#places.get(text)
    if (place === undefined) return undefined
    const numbers = this.#numbers
    numbers.slot = place % this.#size
    // Another lease may have the slot by now.
    return numbers.place === place ? numbers : undefined
  }

  learn(text: string, place: number): void {
    const slot = place % this.#size
    const former = this.#texts[slot]!
    if (former !== text && this.#places.get(former)! % this.#size === slot) this.#places.delete(former)
    this.#texts[slot] = text
    this.#places.set(text, place)
  }
}

/**
 * Decides takes of counters in the dispatcher, from leases whose numbers it shares with the host. It runs between the
 * frames of plugins, never below one: a stack overflow in it would hand a plugin an error of this realm.
 */
export class Leases {
  readonly #journal: LeaseJournal
  /** By plugin and entry. */
  readonly #policies: { readonly leases: PolicyLeases; readonly operations: number }[][] = []

  /**
   * @param entries `LeaseEntry` in JSON.
   * @param memories one for each policy; never to be given to a plugin.
   */
  constructor(entries: string, journal: SharedArrayBuffer, memories: readonly SharedArrayBuffer[]) {
    this.#journal = new LeaseJournal(journal)
    const policies = memories.map((memory, index) => new PolicyLeases(memory, index))
    for (const { plugin, entry, memory, operations } of JSON.parse(entries) as LeaseEntry[]) {
      this.#policies[plugin] ??= []
      this.#policies[plugin][entry] = { leases: policies[memory]!, operations }
    }
  }

  /** For a hook that begins and waits; `undefined` when the host decides all that it takes. */
  taker(plugin: number, entry: number, turn: number): Taker | undefined {
    const policy = this.#policies[plugin]?.[entry]
    return policy && new Taker(this.#journal, policy.leases, policy.operations, turn)
  }
}

/** The takes of one turn of a hook, from its beginning until the host was asked for anything. */
export class Taker {
  readonly #journal: LeaseJournal
  readonly #leases: PolicyLeases
  readonly #turn: number
  readonly #operations: number
  /** Takes decided so far, which were its only grant operations. */
  #taken = 0
  /** Key and limit of the take that the host is asked for; empty when it is asked for anything else. */
  #text = ''

  constructor(journal: LeaseJournal, leases: PolicyLeases, operations: number, turn: number) {
    this.#journal = journal
    this.#leases = leases
    this.#operations = operations
    this.#turn = turn
  }

  /**
   * The result of the take in this record, as `resume` of the guest takes it, if the record consists of one and the
   * dispatcher can decide it. Otherwise `undefined`: the host must be asked, for this and for all that follows.
   */
  decide(record: string): string | undefined {
    // The hook waits for a promise of its own and has asked for nothing.
    if (record === op.wait) return undefined
    this.#text = ''
    const answer = this.#decide(record)
    if (answer === undefined) this.#taken = this.#operations
    return answer
  }

  #decide(record: string): string | undefined {
    if (this.#taken >= this.#operations || this.#journal.isFull) return undefined
    const number = this.#taken + 1
    const head = `${op.grant}${UNIT}${number}${UNIT}counter.take${UNIT}`
    const end = record.length - tail.length
    const cut = record.lastIndexOf(UNIT)
    if (!record.startsWith(head) || !record.endsWith(tail) || record.indexOf(OPERATION) !== end) return undefined
    if (cut < head.length || cut - head.length > longest || end - cut > longestCost) return undefined
    const text = record.slice(head.length, cut)
    this.#text = text
    const written = record.slice(cut + 1, end)
    const cost = +written
    if (!isSafeInteger(cost) || cost < 0 || `${cost}` !== written) return undefined
    const numbers = this.#leases.find(text)
    if (numbers === undefined) return undefined
    const { now } = this.#journal
    const result = decide(numbers, cost, now)
    if (result === undefined) return undefined
    const { allowed, remaining, reset } = result
    const { place } = numbers
    const { memory } = this.#leases
    const left = allowed ? numbers.left - cost : numbers.left
    // In this order: see `LeaseJournal`.
    this.#journal.add({ turn: this.#turn, number, memory, place, cost, allowed, remaining, reset, left })
    numbers.left = left
    this.#taken = number
    return `${number}${UNIT}1${UNIT}${allowed ? '1' : ''}${UNIT}${remaining}${UNIT}${reset}`
  }

  /** The lease of the take that the host was asked for has this place. */
  learn(place: number): void {
    if (this.#text !== '') this.#leases.learn(this.#text, place)
    this.#text = ''
  }
}

/**
 * Takes what the host says for the dispatcher only, the place of a lease, off a result.
 *
 * @param taker of the hook that gets the result.
 */
export function withoutPlace(result: string, taker: Taker | undefined): string {
  const cut = result.lastIndexOf(ITEM)
  if (cut === -1) return result
  taker?.learn(+result.slice(cut + 1))
  return result.slice(0, cut)
}
