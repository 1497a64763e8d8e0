import { expect, test } from 'vitest'
import { type Arena, arena, expectRefused } from './harness.ts'
import { expectUnharmed, underAttack } from './siege.ts'

/** Fewer than would put the plugin into quarantine. */
const rounds = 4

/** Its client is refused each time, the log says why, everybody else is served. */
async function outOfTime(ring: Arena, plugin: string, paths: readonly string[] = ['/']): Promise<void> {
  const siege = await underAttack(ring, async () => {
    const answers = []
    for (let i = 0; i < rounds; i++) answers.push(await ring.bad(plugin, paths[i % paths.length]!))
    return answers
  })
  for (const answer of siege.result) expectRefused(answer)
  const record = await ring.record(
    `PT:${plugin}`,
    ({ msg, outcome }) => msg === 'policy failed' && outcome === `PT:${plugin}`,
  )
  expect(record).toMatchObject({ plugin, policy: plugin, hook: 'onRequest', cause: expect.stringContaining('20 ms') })
  const slowest = Math.max(...siege.result.map(({ ms }) => ms))
  expectUnharmed(plugin, siege, `${rounds} attacks → 500 PT, slowest ${slowest.toFixed(0)} ms`)
}

test('code that does not end is ended by the time limit', async () => {
  const ring = await arena(['sync-loop', 'microtask-loop', 'loop-after-await', 'regex-bomb'])
  await outOfTime(ring, 'sync-loop')
  await outOfTime(ring, 'microtask-loop')
  await outOfTime(ring, 'loop-after-await')
  await outOfTime(ring, 'regex-bomb')
})

test('so is code that runs when one looks at what was thrown', async () => {
  const ring = await arena(['throw-getter', 'prepare-stack-trace'])
  await outOfTime(ring, 'throw-getter', ['/error', '/primitive', '/error', '/proxy'])
  await outOfTime(ring, 'prepare-stack-trace', ['/thrown', '/overflow'])
})

test('32 honest slow calls beside a hog all succeed', async () => {
  const ring = await arena(['slow', 'sync-loop'])
  const siege = await underAttack(ring, async () => {
    const honest = Array.from({ length: 32 }, (_, i) => ring.bad('slow', `/${i}`))
    const hog = ring.bad('sync-loop')
    const more = Array.from({ length: 18 }, (_, i) => ring.bad('slow', `/${32 + i}`))
    return { hog: await hog, honest: await Promise.all([...honest, ...more]) }
  })
  expectRefused(siege.result.hog)
  expect(siege.result.honest.map(({ status }) => status)).toEqual(Array(50).fill(200))
  const slowest = Math.max(...siege.result.honest.map(({ ms }) => ms))
  expectUnharmed('honest slow calls beside a hog', siege, `50 of 50 honest answered, slowest ${slowest.toFixed(0)} ms`)
})

test('hooks that wait live through the loss of their isolate, and nothing is done twice', async () => {
  const hogs = ['sync-loop', 'concat-burst']
  const ring = await arena(['suspended', ...hogs])
  for (const hog of hogs) {
    const siege = await underAttack(ring, async () => {
      const waiting = Array.from({ length: 50 }, (_, i) => ring.bad('suspended', `/${hog}/${i}`))
      const hogged = [await ring.bad(hog), await ring.bad(hog)]
      return { hogged, waiting: await Promise.all(waiting) }
    })
    for (const answer of siege.result.hogged) expectRefused(answer)
    // 429 would be a budget that was taken from a second time.
    const waiting = siege.result.waiting.map(({ status, body }) => (status === 200 ? 200 : body))
    expect(waiting).toEqual(Array(50).fill(200))
    expectUnharmed(`suspended hooks beside ${hog}`, siege, '50 of 50 answered, every budget taken once')
  }
})

test('a promise that never settles ends at the deadline, and costs nobody else anything', async () => {
  const ring = await arena(['never-settles'])
  const siege = await underAttack(ring, () => Promise.all(Array.from({ length: 5 }, () => ring.bad('never-settles'))))
  for (const answer of siege.result) expectRefused(answer)
  await ring.record(
    'the deadline',
    ({ outcome, cause }) => outcome === 'PT:never-settles' && /waited/.test(String(cause)),
  )
  const ended = siege.result.map(({ ms }) => ms.toFixed(0)).join(', ')
  expectUnharmed('a promise that never settles', siege, `ended after ${ended} ms`)
})
