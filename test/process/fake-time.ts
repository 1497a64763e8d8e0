/** A clock and a scheduler that move only when told to. */
export class FakeTime {
  #now = 1_000_000
  #jobs: { at: number; run: () => void }[] = []

  readonly now = (): number => this.#now

  readonly schedule = (delay: number, run: () => void): (() => void) => {
    const job = { at: this.#now + delay, run }
    this.#jobs.push(job)
    return () => {
      this.#jobs = this.#jobs.filter((other) => other !== job)
    }
  }

  get scheduled(): number {
    return this.#jobs.length
  }

  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const next = this.#jobs.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#jobs = this.#jobs.filter((other) => other !== next)
      this.#now = Math.max(this.#now, next.at)
      next.run()
    }
    this.#now = end
  }
}
