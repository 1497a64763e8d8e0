import type { AcmeConfig } from '../acme/acme-config.ts'
import { AcmeState, type Challenge } from '../acme/acme-state.ts'
import type { IssuedCertificate } from '../acme/issued-certificate.ts'
import { takeStored } from '../acme/take-stored.ts'
import type { Log } from '../telemetry/log.ts'
import type { ToWorker } from './channel.ts'
import type { WorkerSlot } from './worker-slot.ts'

/** The supervisor's workers, as the relay reaches them. */
export interface AcmeWorkers {
  tell(message: ToWorker, except?: WorkerSlot): void
  /** Resolves when every worker answers these challenges, and no others. */
  challenge(challenges: readonly Challenge[]): Promise<void>
}

/**
 * The supervisor's part in certificates by ACME. It orders nothing itself, because only workers talk to the outside; the one
 * that leads does. It keeps what that worker has received, for all others and their successors.
 */
export class AcmeRelay {
  readonly #log: Log
  readonly #workers: AcmeWorkers
  readonly #state = new AcmeState()
  /** Who orders, and the challenges of its order. */
  #underWay: { readonly by: WorkerSlot; readonly challenges: readonly Challenge[] } | undefined

  constructor(log: Log, workers: AcmeWorkers) {
    this.#log = log
    this.#workers = workers
  }

  /** A configuration is about to be in force. */
  adopt(configs: readonly AcmeConfig[]): void {
    const certificates = takeStored(this.#state, configs, this.#log)
    this.#state.keep(new Set(configs.map(({ id }) => id)))
    if (certificates.length > 0) this.#workers.tell({ type: 'certificates', certificates })
  }

  /** Messages that a worker needs before its first connection. */
  briefing(): ToWorker[] {
    const { certificates } = this.#state
    const challenges = this.#underWay?.challenges ?? []
    return [
      ...(certificates.length === 0 ? [] : [{ type: 'certificates' as const, certificates }]),
      ...(challenges.length === 0 ? [] : [{ type: 'challenges' as const, challenges }]),
    ]
  }

  /** The worker that orders has received challenges; it hears when every worker answers them. */
  async challenge(id: number, challenges: readonly Challenge[], by: WorkerSlot): Promise<void> {
    this.#underWay = { by, challenges }
    await this.#workers.challenge(challenges)
    by.tell({ type: 'challenged', id })
  }

  issued(certificate: IssuedCertificate, by: WorkerSlot): void {
    this.#state.install([certificate])
    this.#workers.tell({ type: 'certificates', certificates: [certificate] }, by)
  }

  /** A worker has died, so it will not end its challenges. */
  left(worker: WorkerSlot): void {
    if (this.#underWay?.by !== worker) return
    this.#underWay = undefined
    void this.#workers.challenge([])
  }
}
