import { expect, test } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { type ClientResponse, send } from '../helpers/client.ts'
import { httpConfig, type Json, shareGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

function limited(backend: number, points: number, cost = 1): Json {
  // Counters outlive a reload: tests that share a gateway need one each.
  const name = `limit-${points}-${cost}`
  return httpConfig([backend], {
    routes: { all: { policies: [name] } },
    policies: { [name]: { plugin: 'rate-limit', options: { points, duration: '1h', cost } } },
  })
}

/** So many requests, 16 at a time, each on a connection of its own: both workers get their part. */
async function ask(port: number, count: number): Promise<ClientResponse[]> {
  const answers: ClientResponse[] = []
  let left = count
  const lanes = Array.from({ length: 16 }, async () => {
    while (left-- > 0) answers.push(await send(port, '/'))
  })
  await Promise.all(lanes)
  return answers
}

const share = shareGateway()

const allowed = (answers: readonly ClientResponse[]): number => answers.filter(({ status }) => status === 200).length

test.each([
  [400, 1],
  [401, 7],
])('two workers under load allow exactly what %i points at %i a request hold', async (points, cost) => {
  const backend = await echoBackend()
  const gateway = await share(limited(backend.port, points, cost))
  const most = Math.floor(points / cost)
  const answers = await ask(gateway.port('web'), most + 300)
  expect(allowed(answers)).toBe(most)
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(300)
  for (const { headers } of answers) {
    const [, remaining, reset] = /^"default";r=(\d+);t=(\d+)$/.exec(String(headers.ratelimit))!
    expect(Number(remaining)).toBeLessThanOrEqual(points - (Number(remaining) > 0 ? cost : 0))
    expect(Number(reset)).toBeGreaterThan(3_500)
  }
  // Counters outlive a reload, and so do leases.
  await gateway.reload(limited(backend.port, points, cost))
  expect(allowed(await ask(gateway.port('web'), 50))).toBe(0)
})

test('the death of a worker gives nobody more, and takes little', async () => {
  const points = 800
  const backend = await echoBackend()
  const { process: gateway, ...running } = await share(limited(backend.port, points))
  const port = running.port('web')
  await until('both workers', () => gateway.workers().length === 2, 30_000)
  const before = allowed(await ask(port, 300))
  expect(before).toBe(300)
  const [victim] = gateway.workers()
  process.kill(victim!, 'SIGKILL')
  await until('another worker', () => gateway.workers().length === 2 && !gateway.workers().includes(victim!), 30_000)
  const after = allowed(await ask(port, points))
  expect(before + after).toBeLessThanOrEqual(points)
  // An eighth of what was left, at most, was on lease at the one that died.
  expect(before + after).toBeGreaterThanOrEqual(points - points / 8)
})
