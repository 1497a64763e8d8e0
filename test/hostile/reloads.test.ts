import { expect, test } from 'vitest'
import { until } from '../helpers/until.ts'
import { growth, lastingFootprintOf, measurable } from './footprint.ts'
import { type Arena, arena } from './harness.ts'
import { expectUnharmed, underAttack } from './siege.ts'

const reloads = (ring: Arena): number => ring.log().filter(({ msg }) => msg === 'reloaded').length

/** Reloads with that version of the plugin's options: a new sandbox. A check has low priority and may take long. */
async function reload(ring: Arena, version: number): Promise<void> {
  const due = reloads(ring) + 1
  ring.reload({ churn: { version } })
  await until(`reload with version ${version}`, () => reloads(ring) === due, 60_000)
}

test('sandboxes are exchanged under load, and no request notices', { timeout: 600_000 }, async () => {
  // Time on the clock, which a busy machine takes from code that is cold in each new isolate.
  const limits = { churn: { time: '500ms' }, neighbour: { time: '500ms' } }
  const ring = await arena(['churn'], { options: { churn: { version: 0 } }, limits })
  await ring.bad('churn')
  const versions = 6
  const siege = await underAttack(ring, async () => {
    const seen = new Set<string>()
    let over = false
    const client = async (): Promise<void> => {
      while (!over) {
        const answer = await ring.bad('churn')
        expect(answer.status, answer.error ?? answer.body).toBe(200)
        const { headers } = JSON.parse(answer.body) as { headers: Record<string, string> }
        seen.add(headers['x-version'] ?? 'none')
        // Load, but not so much that the reloads get no processor.
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    const clients = Array.from({ length: 8 }, client)
    const reloading = async (): Promise<void> => {
      try {
        for (let version = 1; version <= versions; version++) await reload(ring, version)
      } finally {
        over = true
      }
    }
    await Promise.all([reloading(), ...clients])
    return seen
  })
  const after = await ring.bad('churn')
  expect((JSON.parse(after.body) as { headers: Record<string, string> }).headers['x-version']).toBe(String(versions))
  expect([...siege.result].every((version) => Number(version) <= versions)).toBe(true)
  expectUnharmed('recycle under load', siege, `${versions} reloads, ${siege.result.size} versions seen`)
})

test('10 reloads of the running gateway give back what they took', { timeout: 600_000 }, async () => {
  const ring = await arena(['churn'], { options: { churn: { version: 100 } } })
  // The reloads of the tests before have allocated what is allocated once.
  for (let version = 101; version <= 102; version++) await reload(ring, version)
  const before = await lastingFootprintOf(ring)
  for (let version = 103; version <= 112; version++) await reload(ring, version)
  const after = await lastingFootprintOf(ring)
  console.log(`hostile: 10 reloads with a new sandbox each: growth: ${growth(before, after)}`)
  expect((await ring.bad('churn')).status).toBe(200)
  if (!measurable) return
  // An isolate is 1 MB and a context 0.22: kept ones would show.
  expect(after.memory - before.memory).toBeLessThan(60)
  expect(after.handles).toBeLessThanOrEqual(before.handles + 8)
  expect(after.threads).toBeLessThanOrEqual(before.threads + 40)
})
