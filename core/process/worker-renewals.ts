import type { AcmeState, Challenge } from '../acme/acme-state.ts'
import { orderApart } from '../acme/order-apart.ts'
import { Renewals } from '../acme/renewals.ts'
import type { Log } from '../telemetry/log.ts'
import type { ToSupervisor } from './channel.ts'

/** A worker's renewals: the supervisor asks all workers to answer a challenge, and passes on what was issued. */
export class WorkerRenewals {
  readonly renewals: Renewals
  readonly #tell: (message: ToSupervisor) => void
  readonly #asked = new Map<number, () => void>()
  #lastId = 0

  constructor(state: AcmeState, log: Log, tell: (message: ToSupervisor) => void) {
    this.#tell = tell
    this.renewals = new Renewals({
      log,
      state,
      order: orderApart,
      challenge: (challenges) => this.#challenge(challenges),
      onIssued: (certificate) => {
        state.install([certificate])
        tell({ type: 'issued', certificate })
      },
    })
  }

  #challenge(challenges: readonly Challenge[]): Promise<void> {
    return new Promise((resolve) => {
      const id = ++this.#lastId
      this.#asked.set(id, resolve)
      this.#tell({ type: 'challenges', id, challenges })
    })
  }

  /** Every worker answers the challenges of that message. */
  challenged(id: number): void {
    this.#asked.get(id)?.()
    this.#asked.delete(id)
  }
}
