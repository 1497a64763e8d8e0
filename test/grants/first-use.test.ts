import { expect, test, vi } from 'vitest'
import { CounterAuthority } from '../../core/grants/counter/authority.ts'
import { createFetch } from '../../core/grants/fetch.ts'
import { createFetcher } from '../../core/grants/fetcher.ts'
import { lazyJwt, lazyMemoryCounters, lazyOutbound } from '../../core/grants/first-use.ts'
import { ABSENT } from '../../core/grants/operation.ts'
import type { Outbound } from '../../core/grants/outbound.ts'
import { grantCall, listed } from './call.ts'

const url = 'http://10.0.0.1/'
const answer: Outbound = async () => ({ status: 204, headers: [], body: Buffer.alloc(0) })

function send(
  outbound: Outbound,
  timeout: number,
  signal?: AbortSignal,
): Promise<readonly string[]> | readonly string[] {
  const { send } = createFetch(createFetcher(outbound))
  const change = { origins: [listed(url)], ...(signal && { signal }) }
  return send([url, 'GET', String(timeout), '0', ABSENT], grantCall('fetch.send', [], change))
}

test('it is loaded with the first request, once for all', async () => {
  const load = vi.fn(async () => answer)
  const outbound = lazyOutbound(load)
  expect(load).not.toHaveBeenCalled()
  await Promise.all([send(outbound, 1_000), send(outbound, 1_000)])
  await send(outbound, 1_000)
  expect(load).toHaveBeenCalledTimes(1)
})

test('the deadline of a request holds while it is loaded', async () => {
  const never = lazyOutbound(() => new Promise(() => {}))
  await expect(send(never, 20)).rejects.toThrow('no response within 20 ms')
})

test('a client that goes away ends the wait for the load', async () => {
  const never = lazyOutbound(() => new Promise(() => {}))
  const client = new AbortController()
  const sent = send(never, 1_000, client.signal)
  client.abort()
  await expect(sent).rejects.toThrow('canceled: the hook no longer waits for the response')
  await expect(send(never, 1_000, client.signal)).rejects.toThrow('canceled: the hook no longer waits for the response')
})

test('a load that fails, in time or late, is handled, and tried again', async () => {
  const unhandled = vi.fn()
  process.on('unhandledRejection', unhandled)
  try {
    const gates: PromiseWithResolvers<Outbound>[] = []
    const outbound = lazyOutbound(() => {
      const gate = Promise.withResolvers<Outbound>()
      gates.push(gate)
      return gate.promise
    })
    await expect(send(outbound, 20)).rejects.toThrow('no response within 20 ms')
    gates[0]!.reject(new Error('EMFILE'))
    await new Promise((resolve) => setTimeout(resolve, 20))
    const second = send(outbound, 1_000)
    gates[1]!.reject(new Error('EMFILE'))
    await expect(second).rejects.toThrow('EMFILE')
    const third = send(outbound, 1_000)
    gates[2]!.resolve(answer)
    expect(await third).toEqual(['204', '', ABSENT])
    expect(unhandled).not.toHaveBeenCalled()
  } finally {
    process.off('unhandledRejection', unhandled)
  }
})

test('jwt is loaded with the first token, once for all, and again after a failure', async () => {
  const load = vi
    .fn(async () => ({ verify: async (): Promise<string[]> => ['1'] }))
    .mockRejectedValueOnce(new Error('EMFILE'))
  const { verify } = lazyJwt(() => Promise.reject(new Error('no network')), load)
  expect(load).not.toHaveBeenCalled()
  const call = grantCall('jwt.verify')
  await expect(verify(['', ''], call)).rejects.toThrow('EMFILE')
  expect(await Promise.all([verify(['', ''], call), verify(['', ''], call)])).toEqual([['1'], ['1']])
  expect(load).toHaveBeenCalledTimes(2)
})

test('counters are loaded with the first key, in order, and again after a failure', async () => {
  const load = vi.fn(async () => new CounterAuthority({ sole: true })).mockRejectedValueOnce(new Error('EMFILE'))
  const counters = lazyMemoryCounters(load)
  const take = (cost: number): unknown => counters.take('p', 'k', { points: 3, duration: 60, cost })
  expect(load).not.toHaveBeenCalled()
  await expect(take(1)).rejects.toThrow('internal error in the gateway')
  const [first, second] = await Promise.all([take(1), take(2)])
  expect([first, second]).toMatchObject([{ remaining: 2 }, { remaining: 0 }])
  expect(take(1)).toMatchObject({ allowed: false })
  expect(load).toHaveBeenCalledTimes(2)
})
