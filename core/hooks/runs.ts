import type { HookName } from '../../sdk/points.ts'
import { fieldProblem } from '../http/field-problem.ts'
import type { Run, RunMember, Writable, WrittenField } from '../sandbox/plugin.ts'
import { encodeField, flagsOf, UNIT } from '../sandbox/wire.ts'
import type { WritableFacts } from './operations.ts'
import { covers } from './overlap.ts'
import type { Policy } from './policy.ts'
import { type FieldReader, type FlowFacts, fieldsOf } from './scopes.ts'
import { namesOf } from './writes.ts'

/** One policy in one hook of a chain. */
export interface ChainStep {
  readonly policy: Policy
  /** Index in the chain, which is the order of the configuration. */
  readonly index: number
  readonly readers: readonly FieldReader[]
}

/** Most members of a run. */
const longest = 16
/** Most different runs of the same steps: triggers (`when`) let any part of them have their turns. */
const mostParts = 64

/**
 * Splits the policies of a hook, in the order in which they run, into runs: adjacent policies of one trust group that may
 * cross into the sandbox together. What a later one reads of an earlier one's writes must be known to the dispatcher; all
 * else is read from the flow before the first of them runs.
 *
 * @returns for each policy whether it belongs to the run of the one before it.
 */
export function findRuns(hook: HookName, policies: readonly Policy[]): boolean[] {
  // Each policy gets the chunk as the one before it changed it; and in checkHealth each one has its own timeout.
  if (hook === 'onRequestBody' || hook === 'onResponseBody' || hook === 'checkHealth') return policies.map(() => false)
  let written: string[] = []
  let length = 0
  return policies.map((policy, i) => {
    const triggers = policy.when?.reads ?? []
    const reads = fieldsOf(hook, policy.scopes.reads).filter((field) => !isOverlaid(hook, field))
    const joins =
      length < longest &&
      // A body has to be held before it runs.
      policy.bodies[hook] === undefined &&
      policies[i - 1]?.group === policy.group &&
      // The upstream that was chosen decides which policies follow.
      !written.includes('upstream') &&
      !written.some((write) => [...reads, ...triggers].some((read) => meet(write, read)))
    const writes = policy.scopes.writes.filter((write) => isWrittenIn(hook, write))
    written = joins ? [...written, ...writes] : writes
    length = joins ? length + 1 : 1
    return joins
  })
}

function meet(write: string, read: string): boolean {
  return covers(write, read) || covers(read, write)
}

/** Whether the host accepts this write in this hook; elsewhere it refuses it. */
function isWrittenIn(hook: HookName, write: string): boolean {
  if (hook === 'onResponse') return write.startsWith('response.')
  if (hook === 'onRequest') return !write.startsWith('response.')
  return hook === 'onConnect' && write === 'upstream'
}

/** What is written by name, where the host accepts it whatever the flow is like. */
function writableIn(hook: HookName, writes: readonly string[]): Writable {
  const isAsked = hook === 'onRequest'
  const named = (family: string): string[] =>
    namesOf(family, writes).filter((name) => fieldProblem(name, '') === undefined)
  return {
    consumer: isAsked && writes.includes('consumer'),
    headers: isAsked ? named('header:') : [],
    responseHeaders: isAsked || hook === 'onResponse' ? named('response.header:') : [],
  }
}

/** Whether the dispatcher can tell its value from the record of the policy that writes it. */
function isOverlaid(hook: HookName, field: string): boolean {
  return hook === 'onRequest' && (field === 'consumer' || (field.startsWith('header:') && field !== 'header:*'))
}

/** Steps that may cross together, and the runs of all of them or, where triggers do not match, of a part of them. */
export class RunFamily {
  /** Position of its first step in the chain. */
  readonly first: number
  readonly #hook: HookName
  readonly #steps: readonly ChainStep[]
  readonly #all: number
  readonly #whole: CompiledRun
  readonly #parts = new Map<number, CompiledRun>()

  constructor(hook: HookName, first: number, steps: readonly ChainStep[]) {
    this.#hook = hook
    this.first = first
    this.#steps = steps
    this.#all = 2 ** steps.length - 1
    this.#whole = new CompiledRun(hook, steps, [...steps.keys()])
  }

  /** The run of these steps, a bit for each; or of the first of them only, when too many combinations have occurred. */
  of(bits: number): CompiledRun {
    if (bits === this.#all) return this.#whole
    let part = this.#parts.get(bits)
    if (part === undefined) {
      const isSingle = (bits & (bits - 1)) === 0
      if (this.#parts.size >= mostParts && !isSingle) return this.of(bits & -bits)
      const offsets = [...this.#steps.keys()].filter((offset) => (bits & (1 << offset)) !== 0)
      part = new CompiledRun(this.#hook, this.#steps, offsets)
      this.#parts.set(bits, part)
    }
    return part
  }
}

/** A run, and how the fields of a flow become its input. */
export class CompiledRun implements Run {
  readonly hook: HookName
  readonly fields: number
  readonly members: readonly RunMember[]
  /** Which of the family's steps the members are. */
  readonly offsets: readonly number[]
  readonly #readers: readonly FieldReader[]
  /** The members' indexes in the chain, which are those of their states. */
  readonly #indexes: readonly number[]

  constructor(hook: HookName, family: readonly ChainStep[], offsets: readonly number[]) {
    const steps = offsets.map((offset) => family[offset]!)
    const readers = new Map<string, FieldReader>()
    const names = steps.map(({ policy, readers: own }) => {
      const fields = fieldsOf(hook, policy.scopes.reads).slice(0, own.length)
      for (const [i, field] of fields.entries()) if (!readers.has(field)) readers.set(field, own[i]!)
      return fields
    })
    const all = [...readers.keys()]
    const isRead = (field: string, after: number): boolean => names.slice(after + 1).some((own) => own.includes(field))
    this.hook = hook
    this.fields = all.length
    this.offsets = offsets
    this.members = steps.map(({ policy }, k) => ({
      instance: policy.instance,
      fields: names[k]!.map((field) => all.indexOf(field)),
      written: all.flatMap((field, i): WrittenField[] => {
        if (!isOverlaid(hook, field) || !isRead(field, k)) return []
        const header = field === 'consumer' ? undefined : field.slice('header:'.length)
        const mayWrite = header === undefined ? policy.writes.consumer : policy.writes.header(header)
        return mayWrite ? [{ field: i, header }] : []
      }),
      writes: writableIn(hook, policy.scopes.writes),
    }))
    this.#readers = [...readers.values()]
    this.#indexes = steps.map(({ index }) => index)
  }

  /** The input of the run. */
  encode(facts: FlowFacts & WritableFacts): string {
    const { states } = facts
    const hasStates = states.length > 0 && this.#indexes.some((index) => states[index] !== undefined)
    let text = flagsOf(facts.layer, hasStates)
    for (const read of this.#readers) text += read(facts) + UNIT
    if (hasStates) for (const index of this.#indexes) text += encodeField(states[index]) + UNIT
    return text
  }

  /**
   * The input of one member, as in `HookStep`, once the members before it are settled. It is read from the flow again: a
   * call may wait for long, and what it was given is as long as a client has made it.
   */
  inputOf(member: number, facts: FlowFacts & WritableFacts): string {
    let input = facts.layer + UNIT + encodeField(facts.states[this.#indexes[member]!])
    for (const field of this.members[member]!.fields) input += UNIT + this.#readers[field]!(facts)
    return input
  }
}
