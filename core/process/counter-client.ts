import type { CounterLimit, CounterResult } from '../../sdk/grants.ts'
import type { CounterStore } from '../grants/counter-store.ts'
import { GrantError } from '../grants/grant-error.ts'
import type { CounterAnswer, CounterAsk } from './channel.ts'

interface Waiting {
  readonly resolve: (result: CounterResult) => void
  readonly reject: (error: Error) => void
}

/** A worker's side of the counters: the supervisor counts for all workers, asked once a turn of the event loop. */
export class CounterClient implements CounterStore {
  readonly #send: (asks: CounterAsk[]) => void
  readonly #waiting = new Map<number, Waiting>()
  #asks: CounterAsk[] = []
  #last = 0

  constructor(send: (asks: CounterAsk[]) => void) {
    this.#send = send
  }

  take(policy: string, key: string, { points, duration, cost = 1 }: CounterLimit): Promise<CounterResult> {
    return new Promise((resolve, reject) => {
      const id = ++this.#last
      this.#waiting.set(id, { resolve, reject })
      if (this.#asks.length === 0) setImmediate(() => this.#flush())
      this.#asks.push({ id, policy, key, points, duration, cost })
    })
  }

  /** What the supervisor answered. */
  answer(answers: readonly CounterAnswer[]): void {
    for (const answer of answers) {
      const waiting = this.#waiting.get(answer.id)
      this.#waiting.delete(answer.id)
      if ('problem' in answer) waiting?.reject(new GrantError(answer.problem))
      else waiting?.resolve(answer)
    }
  }

  #flush(): void {
    const asks = this.#asks
    this.#asks = []
    this.#send(asks)
  }
}
