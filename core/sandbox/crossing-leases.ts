import { LeaseJournal } from '../grants/counter/lease-journal.ts'
import type { LeaseSlots } from '../grants/counter/lease-slots.ts'
import type { SharedLeases } from '../grants/counter/shared-leases.ts'
import type { Batch } from './batch.ts'
import type { GrantUse } from './grant-use.ts'
import type { LeaseEntry } from './guest/leases.ts'
import type { HookRun } from './hook-run.ts'
import type { Binding } from './layout.ts'

/** What the dispatcher gets. */
export interface LeaseMemory {
  /** `LeaseEntry` in JSON. */
  readonly entries: string
  readonly journal: SharedArrayBuffer
  /** One for each policy. */
  readonly memories: readonly SharedArrayBuffer[]
}

/** Leases of one policy, and of all policies of a group, in shared memory. */
const most = { policy: 512, group: 16_384 }

/** The counter leases of a group from which its dispatcher decides: the host's side of `guest/leases.ts`. */
export class CrossingLeases {
  readonly memory: LeaseMemory
  readonly #shared: SharedLeases
  readonly #journal: LeaseJournal
  readonly #slots = new Map<Binding, LeaseSlots>()
  /** The crossing that is under way. */
  #batch: Batch | undefined
  #isClosed = false

  /** @param bindings those of the group. */
  constructor(shared: SharedLeases, bindings: readonly Binding[]) {
    this.#shared = shared
    this.#journal = new LeaseJournal(shared.journal)
    const users = bindings.filter(({ instance }) => instance.plugin.manifest.needs.includes('counter'))
    const size = Math.max(1, Math.min(most.policy, Math.floor(most.group / users.length)))
    const entries = users.flatMap((binding, memory) => {
      const { plugin, instance } = binding
      this.#slots.set(binding, shared.open(instance.policy, size))
      return Object.values(binding.entries).map(
        (entry): LeaseEntry => ({ plugin, entry, memory, operations: instance.limits.operations }),
      )
    })
    const memories = users.map((binding) => this.#slots.get(binding)!.memory)
    this.memory = { entries: JSON.stringify(entries), journal: shared.journal, memories }
  }

  /** A crossing begins. */
  begin(batch: Batch): void {
    this.#batch = batch
    this.#journal.clear()
    // What a run has taken before its isolate was lost must not be taken again; the host knows what that was.
    const replays = batch.runs.some((run) => run.replays)
    this.#journal.now = replays ? Number.POSITIVE_INFINITY : this.#shared.now()
  }

  /** The crossing is over. @param isLost it has not returned. */
  end(isLost: boolean): void {
    this.adopt(isLost)
    this.#batch = undefined
  }

  /**
   * Adopts the takes that the dispatcher has decided since the last time.
   *
   * @param keep the runs may begin again.
   */
  adopt(keep: boolean): void {
    const journal = this.#journal
    const { length } = journal
    if (length === 0) return
    for (let i = 0; i < length; i++) {
      const take = journal.at(i)
      const run = this.#batch?.beginner(take.run)
      const lease = run && this.#slots.get(run.binding)?.at(take.place)
      if (lease === undefined) continue
      this.#shared.took(lease, take.left)
      run!.took(take, lease)
      if (keep && run !== run!.pending.run) run!.pending.keep(run!)
    }
    journal.clear()
  }

  /** The place of the lease from which an operation was decided, for the dispatcher. */
  place({ binding }: HookRun, { operation, args, succeeded }: GrantUse): number | undefined {
    if (operation !== 'counter.take' || !succeeded || !this.#slots.has(binding)) return undefined
    return this.#shared.place(binding.instance.policy, args)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const { instance } of this.#slots.keys()) this.#shared.close(instance.policy)
  }
}
