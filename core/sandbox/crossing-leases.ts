import type { CounterLease } from '../grants/counter/lease.ts'
import { type DecidedTake, LeaseJournal } from '../grants/counter/lease-journal.ts'
import type { LeaseSlots } from '../grants/counter/lease-slots.ts'
import type { SharedLeases } from '../grants/counter/shared-leases.ts'
import type { GrantUse } from './grant-use.ts'
import type { LeaseEntry } from './guest/leases.ts'
import type { Binding } from './layout.ts'
import type { StepTurn } from './step-turn.ts'

/** What the dispatcher gets. */
export interface LeaseMemory {
  /** `LeaseEntry` in JSON. */
  readonly entries: string
  readonly journal: SharedArrayBuffer
  /** One for each policy. */
  readonly memories: readonly SharedArrayBuffer[]
}

/** Leases of one policy, and of all policies of a group, in shared memory; and policies of a group that have any. */
const most = { policy: 512, group: 16_384, policies: 1_024 }

const none: readonly Taken[] = []

/** A take that the dispatcher has decided, and the lease. */
export interface Taken extends DecidedTake {
  readonly lease: CounterLease
}

interface PolicyLeases {
  readonly binding: Binding
  readonly slots: LeaseSlots
}

/** The counter leases of a group from which its dispatcher decides: the host's side of `guest/leases.ts`. */
export class CrossingLeases {
  readonly memory: LeaseMemory
  readonly #shared: SharedLeases
  readonly #journal: LeaseJournal
  /** By index of their memory. */
  readonly #policies: readonly PolicyLeases[]
  /** Takes in the crossing that is under way, or was the last one, in their order. */
  #taken: Taken[] = []
  /** The same by turn, made when somebody asks. */
  #byTurn: Map<number, Taken[]> | undefined
  #isClosed = false

  /** @param bindings those of the group. */
  constructor(shared: SharedLeases, bindings: readonly Binding[]) {
    this.#shared = shared
    this.#journal = new LeaseJournal(shared.journal)
    // The memory of a policy costs 30 µs in each isolate.
    const users = bindings
      .filter(({ instance }) => instance.plugin.manifest.needs.includes('counter'))
      .slice(0, most.policies)
    const size = Math.min(most.policy, Math.floor(most.group / users.length))
    this.#policies = users.map((binding) => {
      binding.leases = this
      return { binding, slots: shared.open(binding.instance.policy, size) }
    })
    const entries = users.flatMap(({ plugin, entries, instance }, memory) =>
      Object.values(entries).map(
        (entry): LeaseEntry => ({ plugin, entry, memory, operations: instance.limits.operations }),
      ),
    )
    const memories = this.#policies.map(({ slots }) => slots.memory)
    this.memory = { entries: JSON.stringify(entries), journal: shared.journal, memories }
  }

  /** A crossing begins. */
  begin(turns: readonly StepTurn[]): void {
    this.#taken = []
    this.#byTurn = undefined
    this.#journal.clear()
    // What a hook has taken before its isolate was lost must not be taken again; the host knows what that was.
    const replays = turns.some((turn) => turn.replays)
    this.#journal.now = replays ? Number.POSITIVE_INFINITY : this.#shared.now()
  }

  /** Adopts the takes that the dispatcher has decided since the last time: after the crossing, and before answers in it. */
  adopt(): void {
    const journal = this.#journal
    const { length } = journal
    if (length === 0) return
    this.#byTurn = undefined
    for (let i = 0; i < length; i++) {
      const take = journal.at(i)
      const { binding, slots } = this.#policies[take.memory]!
      const lease = slots.at(take.place)
      if (lease === undefined) continue
      this.#shared.took(lease, take.left)
      // The operation, and the wait for it.
      binding.counts.operations += 2
      this.#taken.push({ ...take, lease })
    }
    journal.clear()
  }

  /** The takes of a turn in this crossing. One that goes on after it has to remember them. */
  takesOf(turn: number): readonly Taken[] {
    if (this.#taken.length === 0) return none
    this.#byTurn ??= Map.groupBy(this.#taken, (taken) => taken.turn)
    return this.#byTurn.get(turn) ?? none
  }

  /** The place of the lease from which an operation was decided, for the dispatcher. */
  place({ binding }: StepTurn, { operation, args, succeeded }: GrantUse): number | undefined {
    if (operation !== 'counter.take' || !succeeded) return undefined
    return this.#shared.place(binding.instance.policy, args)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const { binding } of this.#policies) this.#shared.close(binding.instance.policy)
  }
}
