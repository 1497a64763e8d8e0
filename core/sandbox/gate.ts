import type { QuarantineState } from './plugin.ts'

/** How a call of a plugin may cross: with others, alone, or not at all. */
export type Passage = 'together' | 'alone' | 'none'

interface Entry {
  suspect: boolean
  state: QuarantineState
  /** The one call that a plugin in `probe` has under way. */
  probe: object | undefined
}

/** What the supervisor has said of plugins, by the hash of their code. Nearly always empty, and then it costs nothing. */
export class Gate {
  readonly #entries = new Map<string, Entry>()

  suspect(hashes: readonly string[], on: boolean): void {
    for (const hash of hashes) this.#change(hash, { suspect: on })
  }

  quarantine(hash: string, state: QuarantineState): void {
    this.#change(hash, { state })
  }

  stateOf(hash: string): QuarantineState {
    return this.#entries.get(hash)?.state ?? 'closed'
  }

  /** Nothing has been said of it, or nothing that still holds. */
  isFree(hash: string): boolean {
    return this.#entries.size === 0 || !this.#entries.has(hash)
  }

  /** @param call identity of the call: the one that is let through as the probe stays so. */
  passage(hash: string, call: object): Passage {
    const entry = this.#entries.size === 0 ? undefined : this.#entries.get(hash)
    if (entry === undefined) return 'together'
    if (entry.state === 'open') return 'none'
    if (entry.state === 'closed') return entry.suspect ? 'alone' : 'together'
    entry.probe ??= call
    return entry.probe === call ? 'alone' : 'none'
  }

  /** A call is over; true when it was the probe, and another one may follow. */
  endProbe(hash: string, call: object): boolean {
    const entry = this.#entries.size === 0 ? undefined : this.#entries.get(hash)
    if (entry === undefined || entry.probe !== call) return false
    entry.probe = undefined
    return true
  }

  #change(hash: string, change: Partial<Entry>): void {
    const entry = { suspect: false, state: 'closed' as const, probe: undefined, ...this.#entries.get(hash), ...change }
    if (entry.suspect || entry.state !== 'closed') this.#entries.set(hash, entry)
    else this.#entries.delete(hash)
  }
}
