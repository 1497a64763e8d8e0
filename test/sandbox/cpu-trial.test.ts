import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CpuTrial, type Ruling } from '../../core/sandbox/cpu-trial.ts'
import cases from '../cases/sandbox/cpu-trial.json' with { type: 'json' }

interface Case {
  readonly name: string
  readonly limit: number
  /** CPU time of its thread in each attempt, ms. */
  readonly used: readonly number[]
  /** The same of the other threads. Default: none. */
  readonly others?: readonly number[]
  readonly rulings: readonly string[]
  /** How long each attempt may take on the clock, ms. */
  readonly waits: readonly number[]
}

/** A trial whose attempts use these times. */
function tried(limit: number, used: readonly number[], others: readonly number[] = []) {
  let thread = 100
  let process = 500
  const trial = new CpuTrial(limit, 1_000, () => ({ thread, process }))
  const waits: number[] = []
  const rulings: Ruling[] = []
  for (const [i, ms] of used.entries()) {
    waits.push(trial.begin())
    thread += ms
    process += ms + (others[i] ?? 0)
    rulings.push(trial.ended())
    if (rulings.at(-1) !== 'again') break
  }
  return { trial, waits, rulings }
}

describe('code that the clock has ended is judged by its CPU time', () => {
  test.each(cases.attempts as readonly Case[])('$name', ({ limit, used, others, rulings, waits }) => {
    const trial = tried(limit, used, others)
    expect(trial).toMatchObject({ rulings, waits })
  })

  test('on a busy machine the first attempt has as long as a later one', () => {
    const trial = new CpuTrial(20, 1_000, () => ({ thread: 0, process: 0 }))
    expect([0, 1, 2, 3].map((level) => trial.begin(level))).toEqual([25, 100, 400, 1_020])
  })

  test('what a crossing before has cost leaves less for the attempts, and always half of the second', () => {
    const trial = new CpuTrial(20, 1_000, () => ({ thread: 0, process: 0 }))
    trial.charge(300)
    expect(trial.begin(3)).toBe(720)
    trial.charge(5_000)
    expect(trial.begin(3)).toBe(220)
  })

  test('what is said of it', () => {
    expect(tried(20, [22]).trial.failure).toBe('took more than 20 ms')
    expect(tried(20, [3.14]).trial.account).toBe('it had used 3.1 of 20 ms of CPU time')
    expect(tried(20, Array(8).fill(0.5)).trial.failure).toBe(
      'did not end in 8 attempts; it had used 0.5 of 20 ms of CPU time',
    )
  })
})

test('whatever the machine does, code that does not end costs at most its limit and one second, honest code no blame', () => {
  const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(fc.double({ min: 1, max: 1_000, noNaN: true }), fc.boolean(), shares, (limit, honest, shares) => {
      let cpu = 0
      const trial = new CpuTrial(limit, 1_000, () => ({ thread: cpu, process: cpu }))
      let ruling: Ruling = 'again'
      for (const share of shares) {
        const most = trial.begin() * share
        // Honest code needs less than its limit, and ends when it gets that.
        if (honest && most >= limit * 0.99) return
        cpu += most
        ruling = trial.ended()
        if (ruling !== 'again') break
      }
      expect(ruling).not.toBe('again')
      if (honest) expect(ruling).toBe('starved')
      // A millisecond for limits that are rounded up.
      else expect(cpu).toBeLessThanOrEqual(Math.max(limit + 1_000, limit * 1.25) + 1)
    }),
  )
})
