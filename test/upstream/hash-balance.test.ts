import { describe, expect, test } from 'vitest'
import type { FlowFacts } from '../../core/hooks/scopes.ts'
import type { Backend } from '../../core/upstream/backend.ts'
import { createBalance } from '../../core/upstream/balance.ts'
import { httpBackend } from '../helpers/backend.ts'
import { send } from '../helpers/client.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'
import { backendsOf } from './configs.ts'

const hash = { hash: 'client.ip' } as const
const from = (clientIp: string): FlowFacts => ({ clientIp }) as FlowFacts
const keys = Array.from({ length: 100_000 }, (_, i) => from(`10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`))

function shares(backends: readonly Backend[]): number[] {
  const balance = createBalance(hash)
  const counts = new Map<Backend | undefined, number>()
  for (const key of keys) {
    const picked = balance.pick(backends, key)
    counts.set(picked, (counts.get(picked) ?? 0) + 1)
  }
  return backends.map((backend) => counts.get(backend) ?? 0)
}

describe('the balance by hash', () => {
  test('follows the weights within 5 %', () => {
    for (const weights of [[1, 1, 1], [1, 2, 7], Array<number>(10).fill(3)]) {
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      for (const [i, share] of shares(backendsOf(weights)).entries()) {
        const expected = (keys.length * weights[i]!) / total
        expect(Math.abs(share - expected) / expected, `${weights}: ${share}`).toBeLessThan(0.05)
      }
    }
  })

  test('moves only the clients of a backend that leaves, and spreads them by weight', () => {
    const all = backendsOf([1, 1, 2, 4])
    const balance = createBalance(hash)
    const left = all.slice(1)
    const moved = new Map<Backend, number>()
    let needless = 0
    for (const key of keys) {
      const before = balance.pick(all, key)!
      const after = balance.pick(left, key)!
      if (before !== all[0]) needless += after === before ? 0 : 1
      else moved.set(after, (moved.get(after) ?? 0) + 1)
    }
    expect(needless).toBe(0)
    const total = [...moved.values()].reduce((sum, count) => sum + count, 0)
    for (const [i, backend] of left.entries()) {
      expect(Math.abs(moved.get(backend)! / total - [1, 2, 4][i]! / 7)).toBeLessThan(0.03)
    }
  })

  test('chooses the same in any order of the backends, by whatever object', () => {
    const [one, other] = [backendsOf([1, 2, 3]), backendsOf([1, 2, 3])]
    for (const key of keys.slice(0, 1_000)) {
      const picked = createBalance(hash).pick(one, key)!
      expect(createBalance(hash).pick(other.toReversed(), key)!.address).toBe(picked.address)
    }
  })

  test('has no answer without candidates', () => {
    expect(createBalance(hash).pick([], from('10.0.0.1'))).toBeUndefined()
  })

  test('sends all requests of a client to one backend, behind a trusted proxy by the address that it reports', async () => {
    const backends = await Promise.all(
      ['a', 'b', 'c'].map((name) => httpBackend((_, response) => void response.end(name))),
    )
    const config = httpConfig(
      backends.map(({ port }) => port),
      { listeners: { web: { trustedProxies: ['127.0.0.1'] } }, upstreams: { app: { balance: hash } } },
    )
    const { port } = await startInProcess(config)
    const ask = async (client: string): Promise<string> =>
      (await send(port('web'), '/', { headers: { 'x-forwarded-for': client } })).body
    const seen = new Set<string>()
    for (let i = 0; i < 60; i++) {
      const first = await ask(`192.0.2.${i}`)
      expect(await ask(`192.0.2.${i}`)).toBe(first)
      seen.add(first)
    }
    expect(seen.size).toBe(3)
  })
})
