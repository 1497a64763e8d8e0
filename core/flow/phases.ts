import type { HookName } from '../hooks/points.ts'

export type Phase = 'route' | 'policies' | 'queue' | 'connect' | 'head' | 'body'

/** Where the time of a flow went, in milliseconds. */
export class Phases {
  readonly #started = performance.now()
  #last = this.#started
  /** Time of each phase that took place; one that took place twice (a second attempt) is added up. */
  readonly times: { [phase in Phase]?: number } = {}
  /** Time of each hook call, under `policy.hook`, waiting for its turn and for grants included. */
  hooks: Record<string, number> | undefined

  /** The phase ends now; it began when the one before it ended. */
  mark(phase: Phase): void {
    const now = performance.now()
    this.times[phase] = round((this.times[phase] ?? 0) + now - this.#last)
    this.#last = now
  }

  hook(policy: string, hook: HookName, duration: number): void {
    this.hooks ??= {}
    this.hooks[`${policy}.${hook}`] = round(duration)
  }

  get total(): number {
    return round(performance.now() - this.#started)
  }
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}
