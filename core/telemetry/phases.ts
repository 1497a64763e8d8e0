import { performance } from 'node:perf_hooks'
import type { HookName } from '../../sdk/points.ts'

export type Phase = 'route' | 'policies' | 'queue' | 'connect' | 'head' | 'body'

/**
 * Where the time of a flow went, in milliseconds; -1 for a phase that did not take place. A field each, so that marking one
 * never changes the shape of an object.
 */
export class Phases {
  route = -1
  policies = -1
  queue = -1
  connect = -1
  head = -1
  body = -1
  /** Time of each hook call, under `policy.hook`, waiting for its turn and for grants included. */
  hooks: Record<string, number> | undefined
  /** When the phase that runs began. */
  #last = performance.now()
  readonly #started = this.#last

  /**
   * The phase ends now; it began when the one before it ended. One that took place twice (a second attempt) is added up.
   * Reading the clock is 0.1 µs: phases in which nobody could wait are not marked and count with the next one.
   */
  mark(phase: Phase): void {
    const now = performance.now()
    const took = now - this.#last
    this.#last = now
    switch (phase) {
      case 'route':
        this.route = sum(this.route, took)
        break
      case 'policies':
        this.policies = sum(this.policies, took)
        break
      case 'queue':
        this.queue = sum(this.queue, took)
        break
      case 'connect':
        this.connect = sum(this.connect, took)
        break
      case 'head':
        this.head = sum(this.head, took)
        break
      default:
        this.body = sum(this.body, took)
    }
  }

  hook(policy: string, hook: HookName, duration: number): void {
    this.hooks ??= {}
    this.hooks[`${policy}.${hook}`] = duration
  }

  /** Until now, or until the body had gone. */
  get total(): number {
    return (this.body < 0 ? performance.now() : this.#last) - this.#started
  }
}

function sum(before: number, took: number): number {
  return before < 0 ? took : before + took
}
