import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { TimerWheel, WheelTimer } from '../../core/net/timer-wheel.ts'
import { until } from '../helpers/until.ts'

/** Turns the wheel by hand, and stops its own interval once the test is over. */
function wheelByHand(): TimerWheel {
  const wheel = new TimerWheel()
  const timers: WheelTimer[] = []
  onTestFinished(() => {
    for (const timer of timers) timer.disarm()
    wheel.turn()
  })
  return wheel
}

test('a timeout is never early and at most two ticks late', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200_000 }), fc.nat(2000), (ms, start) => {
      const wheel = new TimerWheel()
      for (let i = 0; i < start; i++) wheel.turn()
      let turns = 0
      let expired = -1
      const onTimeout = (): void => {
        expired = turns
      }
      const timer = new WheelTimer({ onTimeout }, wheel)
      timer.arm(ms)
      while (expired === -1 && turns < 3000) {
        turns++
        wheel.turn()
      }
      // The first turn may come immediately: only the ones after it are worth a whole tick.
      expect((expired - 1) * 100).toBeGreaterThanOrEqual(ms)
      expect(expired * 100).toBeLessThanOrEqual(ms + 200)
      expect(wheel.armed).toBe(0)
      wheel.turn()
    }),
    { numRuns: 300 },
  )
})

test('whatever is armed and disarmed, it agrees with a plain list', () => {
  const step = fc.record({ timer: fc.nat(9), ms: fc.integer({ min: -1, max: 90_000 }), turns: fc.nat(300) })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const wheel = new TimerWheel()
      let now = 0
      const due = new Map<number, number>()
      const expired: number[] = []
      const timers = Array.from(
        { length: 10 },
        (_, i) => new WheelTimer({ onTimeout: () => void expired.push(i) }, wheel),
      )
      for (const { timer, ms, turns } of steps) {
        if (ms === -1) {
          timers[timer]!.disarm()
          due.delete(timer)
        } else {
          timers[timer]!.arm(ms)
          due.set(timer, now + Math.ceil(ms / 100) + 1)
        }
        for (let i = 0; i < turns; i++) {
          now++
          wheel.turn()
          const expected = [...due].filter(([, at]) => at === now).map(([one]) => one)
          for (const one of expected) due.delete(one)
          expect(expired.splice(0).sort()).toEqual(expected.sort())
        }
        expect(wheel.armed).toBe(due.size)
      }
      for (const timer of timers) timer.disarm()
      wheel.turn()
    }),
    { numRuns: 100 },
  )
})

test('a timer that expires may disarm and arm the others, and itself', () => {
  const wheel = wheelByHand()
  const order: string[] = []
  const timers: WheelTimer[] = ['a', 'b', 'c'].map((name, i) => {
    const onTimeout = (): void => {
      order.push(name)
      for (const other of timers) other.disarm()
      timers[i]!.arm(0)
    }
    return new WheelTimer({ onTimeout }, wheel)
  })
  for (const timer of timers) timer.arm(0)
  wheel.turn()
  expect(order).toHaveLength(1)
  wheel.turn()
  expect(order).toHaveLength(2)
  expect(new Set(order).size).toBe(1)
  for (const timer of timers) timer.disarm()
  expect(wheel.armed).toBe(0)
})

test('a hundred thousand are armed, moved and disarmed; the interval turns the wheel', async () => {
  const wheel = wheelByHand()
  let expired = 0
  const owner = { onTimeout: () => void expired++ }
  const timers = Array.from({ length: 100_000 }, () => new WheelTimer(owner, wheel))
  for (const timer of timers) timer.arm(60_000)
  for (const timer of timers) timer.arm(100)
  for (const timer of timers.slice(0, 50_000)) timer.disarm()
  expect(wheel.armed).toBe(50_000)
  await until('the rest', () => expired === 50_000)
  expect(wheel.armed).toBe(0)
})
