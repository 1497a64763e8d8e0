import { expect, test } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { until } from '../helpers/until.ts'
import { footprintOf, measurable } from './footprint.ts'
import { arena, expectRefused } from './harness.ts'
import type { Answer } from './send.ts'
import { expectUnharmed, underAttack } from './siege.ts'

/** Room enough for a busy machine: these attacks are not ones of time. */
const limits = { hoard: { time: '1s' }, limited: { time: '1s' } }

/** All of the first 400 records of 1.3 MB together, MB. */
const kept = 520

async function times(count: number, ask: () => Promise<Answer>): Promise<Answer[]> {
  const answers = []
  for (let i = 0; i < count; i++) answers.push(await ask())
  return answers
}

test('limits, keys and stores of one plugin leave those of another as they were', async () => {
  const ring = await arena(['hoard', 'limited'], { limits })
  const siege = await underAttack(ring, async () => ({
    before: await ring.bad('limited'),
    keys: await times(20, () => ring.bad('hoard', '/keys')),
    limits: await times(20, () => ring.bad('hoard', '/limits')),
    after: await times(5, () => ring.bad('limited')),
  }))
  const { before, limits: taken, keys, after } = siege.result
  const honest = { allowed: true, stored: 'value', refused: 'bad signature' }
  expect(JSON.parse(before.body)).toEqual(honest)
  // Its counts go on where they were: the limit of five is reached with the sixth take.
  expect(after.map(({ body }) => JSON.parse(body) as unknown)).toEqual([
    ...Array.from({ length: 4 }, () => honest),
    { ...honest, allowed: false },
  ])
  for (const { body } of taken.slice(2)) expect(body).toContain('the policy uses more than 16 different limits')
  expect(new Set(keys.map(({ body }) => body))).toEqual(new Set(['done']))
  expectUnharmed('hoarded counters', siege, '1,200 limits, 1,200 long keys')
})

test('a short text that is kept does not keep the long record it came with', async () => {
  const ring = await arena(['hoard'], { limits })
  await times(20, () => ring.bad('hoard', '/slices'))
  const before = footprintOf(ring)
  let grown = 0
  let calls = 0
  const siege = await underAttack(ring, async () => {
    const answers = await times(400, () => ring.bad('hoard', '/slices'))
    // What is garbage goes when more is allocated; what is kept stays.
    for (let round = 0; round < 10; round++) {
      calls = answers.length
      grown = footprintOf(ring).memory - before.memory
      if (!measurable || grown < kept / 2) break
      answers.push(...(await times(100, () => ring.bad('hoard', '/slices'))))
    }
    return answers
  })
  expect(siege.result.every(({ status, body }) => status === 200 && body.length === 1_000_000)).toBe(true)
  expectUnharmed('kept slices', siege, `${calls} records of 1.3 MB; ${measurable ? grown.toFixed(0) : '?'} MB more`)
  if (measurable) expect(grown).toBeLessThan(kept / 2)
})

test('what a hook lets the gateway compute counts against its own time', async () => {
  const ring = await arena(['hoard'], { limits: { hoard: { time: '20ms' } } })
  const siege = await underAttack(ring, () => times(3, () => ring.bad('hoard', '/verify')))
  for (const answer of siege.result) expectRefused(answer)
  await ring.record('PT', ({ outcome, cause }) => {
    return outcome === 'PT:hoard' && String(cause).includes('what the hook wrote and asked for took the gateway more')
  })
  expectUnharmed('sixty signatures a call', siege, '3 of 3 → 500')
})

test('what a hook does not wait for is paid for by the next call of its policy', async () => {
  const ring = await arena(['hoard'], { limits: { hoard: { time: '20ms' } } })
  const siege = await underAttack(ring, () => times(5, () => ring.bad('hoard', '/unawaited')))
  // On each of two workers every other call. More of them would have the plugin quarantined.
  expect(siege.result.map(({ status }) => status)).toContain(500)
  await ring.record('PT', ({ outcome, cause }) => {
    return outcome === 'PT:hoard' && String(cause).includes('what the hook wrote and asked for took the gateway more')
  })
  expectUnharmed('sixty signatures that no hook waits for', siege)
})

test('rejections and failures that repeat are a line a second, with their number', async () => {
  // Among several plugins it is not known whose promise was rejected.
  const ring = await arena(['hoard', 'scope'], { limits, companions: false })
  const count = 150
  const began = performance.now()
  const siege = await underAttack(ring, async () => {
    await times(count, () => ring.bad('hoard', '/rejections'))
    return times(count, () => ring.bad('scope', '/header'))
  })
  for (const answer of siege.result) expectRefused(answer, [500, 503])
  // Each refused write is a fault: at a hundred the plugin is quarantined.
  expect(siege.result.at(-1)!.status).toBe(503)
  const told = (title: string, plugin: string): Record<string, unknown>[] =>
    ring.log().filter(({ msg, plugin: by }) => msg === title && by === plugin)
  const sum = (lines: Record<string, unknown>[]): number =>
    lines.reduce((all, { count: stands = 1 }) => all + Number(stands), 0)
  await until('all failures', () => sum(told('policy failed', 'scope')) === count)
  await until('most rejections', () => sum(told('unhandled rejection', 'hoard')) > 0)
  const seconds = (performance.now() - began) / 1_000
  // By each worker, and by the supervisor for all.
  expect(told('policy failed', 'scope').length).toBeLessThan(8 + seconds * 4)
  expect(told('unhandled rejection', 'hoard').length).toBeLessThan(8 + seconds * 2)
  expect(told('unhandled rejection', 'hoard')[0]).toMatchObject({
    policy: 'hoard',
    hook: 'onRequest',
    message: expect.stringMatching(/^Error: left alone .*hoard\/index\.ts:\d+:\d+/s) as string,
  })
  expectUnharmed('repeated lines', siege)
})

test('a server that is not listed is not reached by any spelling of its address', async () => {
  const server = await echoBackend('unlisted')
  const { port } = server
  const origins = [{ origin: `http://localhost:${port + 1}` }, 'http://listed.test', `http://127.0.0.1:${port + 2}`]
  const ring = await arena(['reach'], {
    options: { reach: { port } },
    limits: { reach: { time: '1s' } },
    fetch: { reach: origins },
  })
  const siege = await underAttack(ring, () => ring.bad('reach'))
  expect(siege.result.status, siege.result.body).toBe(200)
  const { reached, tried, errors } = JSON.parse(siege.result.body) as {
    reached: string[]
    tried: number
    errors: number
  }
  expect(reached).toEqual([])
  expect(errors).toBe(tried)
  expect(server.sockets.size).toBe(0)
  expectUnharmed('spellings of an address', siege, `${errors} of ${tried} refused`)
})

test('a plugin writes whole lines, cut to their length, and a hundred a second', async () => {
  const ring = await arena(['shout'], { limits: { shout: { time: '1s' } } })
  const began = performance.now()
  const siege = await underAttack(ring, async () => ({
    forged: await ring.bad('shout', '/forged'),
    many: await times(60, () => ring.bad('shout', '/many')),
  }))
  expectRefused(siege.result.forged)
  expect(siege.result.many.every(({ status, body }) => status === 200 && body === '5')).toBe(true)
  await ring.record(
    'the number of dropped lines',
    ({ plugin, msg }) => plugin === 'shout' && /dropped/.test(String(msg)),
  )
  const own = ring.log().filter(({ plugin }) => plugin === 'shout')
  expect(ring.log().some(({ msg }) => msg === 'forged')).toBe(false)
  // The longest: a message and fields of 1,024 characters each, six characters for an escaped one.
  expect(Math.max(...own.map((record) => JSON.stringify(record).length))).toBeLessThan(20_000)
  const seconds = (performance.now() - began) / 1_000
  const lines = own.filter(({ msg }) => String(msg).startsWith('line '))
  // 20 lines a call, and 100 a second on each of the two workers.
  expect(lines.length).toBeGreaterThanOrEqual(20)
  expect(lines.length).toBeLessThanOrEqual(Math.min(60 * 20, (seconds + 2) * 200))
  expectUnharmed('shouting', siege, `60,000 lines tried, ${lines.length} written in ${seconds.toFixed(1)} s`)
})
