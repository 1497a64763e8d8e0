import type { CheckedConfig } from '../config/checked.ts'
import type { Gateway, PreparedGateway } from '../gateway.ts'
import { inSlices } from '../in-slices.ts'
import type { BoundHandle } from '../listen/listener.ts'
import type { ConfigChanges } from './config-changes.ts'
import { applyChanges } from './config-changes.ts'

/** A worker's configurations, by generation: the one in force, and those that are prepared. */
export class WorkerConfig {
  readonly #gateway: Gateway
  readonly #prepared = new Map<number, { readonly checked: CheckedConfig; readonly gateway: PreparedGateway }>()
  /** The configuration that changes are applied to. */
  #inForce: CheckedConfig | undefined
  #generation: number | undefined

  constructor(gateway: Gateway) {
    this.#gateway = gateway
  }

  /** Generation of the configuration in force; `undefined` before the first. */
  get generation(): number | undefined {
    return this.#generation
  }

  /** Prepares a configuration. Resolves with why it cannot be put in force; `undefined` when it can. */
  async prepare(
    generation: number,
    changes: ConfigChanges,
    sockets: ReadonlyMap<string, BoundHandle>,
  ): Promise<string | undefined> {
    try {
      const checked = await inSlices(applyChanges(this.#inForce, changes))
      this.#prepared.set(generation, { checked, gateway: await this.#gateway.prepare(checked, sockets) })
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }

  commit(generation: number): void {
    const ready = this.#prepared.get(generation)
    if (ready === undefined) return
    this.#prepared.delete(generation)
    ready.gateway.commit()
    this.#inForce = ready.checked
    this.#generation = generation
  }

  abort(generation: number): void {
    this.#prepared.get(generation)?.gateway.abort()
    this.#prepared.delete(generation)
  }
}
