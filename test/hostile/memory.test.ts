import { expect, test } from 'vitest'
import { footprintOf, measurable } from './footprint.ts'
import { arena, expectRefused } from './harness.ts'
import { expectUnharmed, underAttack } from './siege.ts'

/** Enough to fill an isolate of 64 MB three times over. */
const rounds = 40

test('heap growth ends at the limit of the isolate, again and again, and harms nobody', async () => {
  const ring = await arena(['heap-growth'], { limits: { 'heap-growth': { time: '1s' } } })
  await ring.bad('heap-growth')
  const before = footprintOf(ring)
  let peak = 0
  const siege = await underAttack(ring, async () => {
    const answers = []
    for (let i = 0; i < rounds; i++) {
      answers.push(await ring.bad('heap-growth'))
      peak = Math.max(peak, footprintOf(ring).memory - before.memory)
    }
    return answers
  })
  const kept: number[] = []
  for (const answer of siege.result) {
    if (answer.status === 200) {
      const { headers } = JSON.parse(answer.body) as { headers: Record<string, string> }
      kept.push(Number(headers['x-kept']))
    } else expectRefused(answer)
  }
  // A call that met a full isolate through no fault of its own is made again in an empty one.
  const most = Math.max(...kept)
  expect(kept.length).toBeGreaterThan(rounds / 2)
  expect(most).toBeLessThan((40_000 * rounds) / 2)
  const figures = measurable ? `memory +${peak.toFixed(0)} MB at its highest` : 'memory not measured here'
  const refused = rounds - kept.length
  expectUnharmed('heap growth', siege, `${rounds} attacks: ${refused} → 500, ${most} entries at most; ${figures}`)
  // The limit is soft, and every worker has an isolate of its own and may have a spare one.
  if (measurable) expect(peak).toBeLessThan(64 * 3 * 2 * (ring.base.workers ?? 1))
})

test('a burst of strings that double', async () => {
  const ring = await arena(['concat-burst'], { limits: { 'concat-burst': { time: '1s' } } })
  const siege = await underAttack(ring, async () => {
    const answers = []
    for (let i = 0; i < 4; i++) answers.push(await ring.bad('concat-burst'))
    return answers
  })
  for (const answer of siege.result) expectRefused(answer)
  await ring.record('PM', ({ outcome }) => /^P[MT]:concat-burst$/.test(String(outcome)))
  expectUnharmed('concat burst', siege, '4 attacks → 500')
})
