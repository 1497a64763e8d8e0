import { describe, expect, test } from 'vitest'
import { until } from '../helpers/until.ts'
import { serving } from './footprint.ts'
import { type Arena, expectRefused, type LogRecord, arena as sharedArena } from './harness.ts'
import type { Answer } from './send.ts'
import { expectUnharmed, underAttack } from './siege.ts'

/** Deaths after which a plugin must have been stopped, however many workers there are. */
const tolerated = 3

/** The neighbour's code is cold in each new worker. */
const arena = (plugins: readonly string[]): Promise<Arena> =>
  sharedArena(plugins, { ofItsOwn: true, limits: { neighbour: { time: '200ms' } } })

const deathsOf = (ring: Arena): LogRecord[] => ring.log().filter(({ msg }) => msg === 'worker died')

/** Every worker is there, or there again. */
function whole(ring: Arena): Promise<unknown> {
  return until('all workers', () => serving(ring).length === (ring.base.workers ?? 1), 15_000)
}

/** Asks until the plugin is stopped, as a persistent client does. */
async function insist(ring: Arena, ask: () => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = []
  for (let i = 0; i < tolerated * 4; i++) {
    const before = deathsOf(ring).length
    const answer = await ask()
    answers.push(answer)
    if (answer.status === 503) return answers
    // A death that the supervisor has not seen yet cannot stop the plugin in the other workers.
    if (answer.error !== undefined) await until('the death to be seen', () => deathsOf(ring).length > before)
    await whole(ring)
  }
  return answers
}

/**
 * The worker dies, a new one replaces it, and after three deaths the plugin does not run any more: 503, without a probe. All
 * other requests are served.
 */
async function takesItsProcess(plugin: string, path: string, by: 'watchdog' | 'crash'): Promise<void> {
  const ring = await arena([plugin])
  await whole(ring)
  const siege = await underAttack(ring, () => insist(ring, () => ring.bad(plugin, path)))
  // It comes behind the deaths that led to it.
  const quarantine = await ring.record('the quarantine', ({ msg, state }) => msg === 'quarantine' && state === 'open')
  const deaths = deathsOf(ring)
  const told = siege.result.map(({ status, error }) => error ?? status).join(', ')
  expectUnharmed(`${plugin}${path}`, siege, `the attacker got ${told}; ${deaths.length} workers died`, tolerated)
  expect(siege.result.at(-1)?.status, told).toBe(503)
  expectRefused(siege.result.at(-1)!, [503])
  expect(deaths.length).toBeGreaterThan(0)
  expect(deaths.length).toBeLessThanOrEqual(tolerated)
  expect(quarantine.why).toMatch(/process/)
  for (const { suspects, report, signal } of deaths) {
    // On a slow machine the engine may not survive a bomb as long as the watchdog waits.
    if (by === 'watchdog' && signal === 'SIGKILL') expect(report).toContain(plugin)
    else expect(suspects).toContain(plugin)
  }
  await whole(ring)
  for (let i = 0; i < 4; i++) expectRefused(await ring.bad(plugin, path), [503])
  await ring.record('PQ', ({ outcome }) => outcome === `PQ:${plugin}`)
  // One that was dying when the quarantine was announced is told of after it.
  expect(deathsOf(ring).length).toBeLessThanOrEqual(tolerated)
}

describe('code that no time limit reaches is ended by the watchdog', () => {
  test('rejection-getter', () => takesItsProcess('rejection-getter', '/', 'watchdog'))
  test('bigint-bomb', () => takesItsProcess('bigint-bomb', '/', 'watchdog'))
  test('prepare-stack-trace, when it is rejected', async () => {
    const ring = await arena(['prepare-stack-trace'])
    await whole(ring)
    const siege = await underAttack(ring, () => insist(ring, () => ring.bad('prepare-stack-trace', '/rejected')))
    if (siege.result.at(-1)?.status === 503) await ring.record('the quarantine', ({ msg }) => msg === 'quarantine')
    const deaths = deathsOf(ring)
    // Whether the engine asks for the trace is its own affair: if it does, the watchdog ends it.
    expect(deaths.length).toBeLessThanOrEqual(tolerated)
    const told = siege.result.map(({ status, error }) => error ?? status).join(', ')
    expectUnharmed('prepare-stack-trace/rejected', siege, `the attacker got ${told}`, deaths.length)
  })
})

describe('an allocation that the engine does not survive costs one worker at a time', () => {
  test('array-fill', () => takesItsProcess('array-fill', '/', 'crash'))
  test('repeat-split', () => takesItsProcess('repeat-split', '/', 'crash'))
})

test('a poison request is stopped within three kills, two more by copies on another worker, and the plugin’s other requests with it', async () => {
  const ring = await arena(['poison'])
  await whole(ring)
  expect((await ring.bad('poison')).status).toBe(200)
  const poison = { headers: { 'x-poison': 'drink' } }
  const siege = await underAttack(ring, async () => {
    // All at once, as from a client that repeats itself on many connections.
    const first = await Promise.all(Array.from({ length: 8 }, () => ring.bad('poison', '/', poison)))
    await whole(ring)
    return [...first, ...(await insist(ring, () => ring.bad('poison', '/', poison)))]
  })
  const deaths = deathsOf(ring)
  const told = siege.result.map(({ status, error }) => error ?? status).join(', ')
  // The other worker, which has copies of it at the same moments: one that crosses with others, and one that crosses alone.
  const most = tolerated + 2
  expectUnharmed('poison request', siege, `the attacker got ${told}; ${deaths.length} workers died`, most)
  expect(siege.result.at(-1)?.status, told).toBe(503)
  expect(deaths.length).toBeLessThanOrEqual(most)
  expectRefused(await ring.bad('poison'), [503])
})

test('a crash takes the hooks that wait in its process, and no others', async () => {
  const ring = await arena(['suspended', 'array-fill'])
  await whole(ring)
  const siege = await underAttack(ring, async () => {
    const waiting = Array.from({ length: 60 }, (_, i) => ring.bad('suspended', `/${i}`))
    const crash = await ring.bad('array-fill')
    return { crash, waiting: await Promise.all(waiting) }
  })
  await until('the death', () => deathsOf(ring).length > 0)
  const { crash, waiting } = siege.result
  const lost = waiting.filter(({ status }) => status === 0).length
  expect(crash.status).toBe(0)
  expect(waiting.filter(({ status }) => status !== 0).map(({ status }) => status)).toEqual(Array(60 - lost).fill(200))
  expect(lost).toBeLessThan(60)
  expectUnharmed('suspended hooks beside a crash', siege, `${60 - lost} of 60 answered, ${lost} went with it`, 1)
})

test('SIGKILL of one worker during traffic is seen by nobody but its own connections', async () => {
  const ring = await arena([])
  await whole(ring)
  const [victim] = serving(ring)
  const siege = await underAttack(ring, async () => {
    const began = performance.now()
    process.kill(victim!, 'SIGKILL')
    await until('the death', () => deathsOf(ring).length === 1)
    await whole(ring)
    return performance.now() - began
  })
  expectUnharmed('SIGKILL of a worker', siege, `whole again after ${siege.result.toFixed(0)} ms`, 1)
  expect(deathsOf(ring)).toMatchObject([{ pid: victim, signal: 'SIGKILL' }])
  expect(serving(ring)).not.toContain(victim)
})

test('SIGSTOP of a worker is no kill: it goes on where it was', async () => {
  const ring = await arena(['slow'])
  await whole(ring)
  const before = serving(ring)
  const siege = await underAttack(ring, async () => {
    const calls = Array.from({ length: 20 }, (_, i) => ring.bad('slow', `/${i}`))
    process.kill(before[0]!, 'SIGSTOP')
    // As long as it takes the watchdog three times over to find a worker stuck.
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    process.kill(before[0]!, 'SIGCONT')
    return Promise.all(calls)
  })
  expect(siege.result.map(({ status }) => status)).toEqual(Array(20).fill(200))
  expect(siege.failed).toEqual([])
  expect(siege.lost).toBe(0)
  const figures = `good ${siege.good}, failed 0, lost 0, slowest ${siege.slowest.toFixed(0)} ms`
  console.log(`hostile: SIGSTOP of a worker for 3 s: ${figures}`)
  expect(deathsOf(ring)).toEqual([])
  expect(serving(ring)).toEqual(before)
  expect(ring.log().filter(({ msg }) => msg === 'quarantine')).toEqual([])
})
