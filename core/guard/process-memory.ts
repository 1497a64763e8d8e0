import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import type { MemoryMember, ProcessMemory, ProcessSize } from '../sandbox/crossing-guard.ts'
import { SizeReader } from './process-size.ts'

/** Time between two looks, ms. */
const interval = 50
/** Looks between two counts of what is accounted for. */
const looks = 20
const megabyte = 2 ** 20

/** Unexplained growth from which on crossings are watched, MB. */
const step: ProcessSize = { resident: 32, virtual: 65_536 }
/**
 * The same growth since the process began, above which the process ends itself, MB. An isolate reserves 2 GB of addresses,
 * and there may be hundreds; Linux has 128 TB of them.
 */
const bound: ProcessSize = { resident: Math.min(1_024, availableMemory() / 2), virtual: 2 ** 25 }

/** Memory that this process may use at most, MB. */
export function availableMemory(): number {
  const constrained = process.constrainedMemory()
  return (constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()) / megabyte
}

/**
 * Whether a process of this size (unexplained growth) had room enough: what happened in it has another
 * cause than its size.
 */
export function hadRoom({ resident, virtual }: ProcessSize): boolean {
  return resident <= bound.resident / 2 && virtual <= bound.virtual / 2
}

/**
 * Watches the size of the process for growth that no heap accounts for: memory that V8 or the C library allocates
 * outside of the heaps, and addresses.
 */
export class ProcessWatch implements ProcessMemory {
  readonly #reader: { read(): ProcessSize }
  readonly #hostHeap: () => number
  readonly #onExhausted: (size: ProcessSize) => void
  readonly #members = new Set<MemoryMember>()
  /** Size at the first look. */
  #first: ProcessSize | undefined
  /** What is accounted for, MB: now, and at the first look. */
  #accounted = 0
  #accountedFirst = 0
  /** Growth that crossings were watched for already, or less when the process has become smaller since. */
  #known: ProcessSize = { resident: 0, virtual: 0 }
  #turn = 1
  #due = Number.NEGATIVE_INFINITY
  #looks = 0

  /** @param onExhausted the process has grown so much that it must end. */
  constructor(
    onExhausted: (size: ProcessSize) => void,
    reader: { read(): ProcessSize } = new SizeReader(),
    ownHeap: () => number = hostHeap,
  ) {
    this.#onExhausted = onExhausted
    this.#reader = reader
    this.#hostHeap = ownHeap
  }

  join(member: MemoryMember): void {
    this.#members.add(member)
  }

  leave(member: MemoryMember): void {
    this.#members.delete(member)
  }

  crossed(member: MemoryMember, now: number): void {
    member.turn = this.#turn
    if (now < this.#due) return
    this.#due = now + interval
    this.#judge(now)
  }

  look(): ProcessSize {
    const { resident, virtual } = this.#reader.read()
    return { resident: resident - this.#hostHeap(), virtual }
  }

  /** Unexplained growth since the first look, by the last count. */
  growth(): ProcessSize {
    const { resident, virtual } = this.#reader.read()
    if (this.#first === undefined) {
      this.#first = { resident, virtual }
      this.#accounted = this.#count()
      this.#accountedFirst = this.#accounted
    }
    const accounted = this.#accounted - this.#accountedFirst
    return { resident: resident - this.#first.resident - accounted, virtual: virtual - this.#first.virtual }
  }

  #judge(now: number): void {
    let size = this.growth()
    if (this.#isNews(size) || ++this.#looks % looks === 0) {
      this.#account(size)
      size = this.growth()
    }
    const isNews = this.#isNews(size)
    const { resident, virtual } = this.#known
    this.#known = isNews
      ? size
      : { resident: smaller(resident, size.resident), virtual: smaller(virtual, size.virtual) }
    if (!isNews) return
    if (size.resident > bound.resident || size.virtual > bound.virtual) return this.#onExhausted(size)
    for (const member of this.#members) if (member.turn === this.#turn) member.watch(now)
    this.#turn++
  }

  #isNews({ resident, virtual }: ProcessSize): boolean {
    return resident > this.#known.resident + step.resident || virtual > this.#known.virtual + step.virtual
  }

  /**
   * Counts again. Freed memory often stays with the process: a lower count is believed only when the process has become
   * smaller too.
   */
  #account(size: ProcessSize): void {
    const count = this.#count()
    const isLower = size.resident + this.#accounted - count <= this.#known.resident
    if (count > this.#accounted || isLower) this.#accounted = count
  }

  #count(): number {
    let sum = this.#hostHeap()
    for (const member of this.#members) sum += member.held()
    return sum
  }
}

/** Not below 0: buffers that come and go are counted late, and would look like growth when they come again. */
function smaller(known: number, now: number): number {
  return Math.max(0, Math.min(known, now))
}

/** What the gateway's own heap holds, buffers included, MB. */
function hostHeap(): number {
  const { total_physical_size, external_memory, malloced_memory } = getHeapStatistics()
  return (total_physical_size + external_memory + malloced_memory) / megabyte
}
