import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { findPairs } from '../../core/check/chains.ts'
import type { PolicyFacts } from '../../core/check/plugins.ts'
import type { Config } from '../../core/config/types.ts'
import { canMeet, covers } from '../../core/hooks/overlap.ts'
import { compileWhen } from '../../core/hooks/when.ts'
import { factsOf } from '../../core/testing/facts.ts'
import type { When } from '../../sdk/when.ts'
import { postern } from '../helpers/process.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-hazards-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('postern check', () => {
  const limit = { plugin: 'rate-limit', options: { points: 1, key: 'consumer' } }
  const config = {
    listeners: { web: { port: 0 } },
    routes: { all: { listener: 'web', upstream: 'app', policies: ['limit', 'keys'] } },
    upstreams: { app: { backends: [{ address: '127.0.0.1:9' }] } },
    policies: { limit, keys: { plugin: 'key-auth', options: { keys: { k: 'ann' } } } },
  }
  const file = join(folder, 'gateway.json')
  const hazard =
    'warning: gateway.json:1:96 routes.all.policies[0]: policy "limit" (plugin rate-limit) reads consumer, which policy "keys" (plugin key-auth) writes later; put "keys" before "limit"\n'

  test('prints hazards among the results, and is content', async () => {
    writeFileSync(file, JSON.stringify(config))
    const check = postern(['check', '-c', 'gateway.json'], { cwd: folder })
    expect(await check.exited).toEqual({ code: 0, signal: null })
    expect(check.stdout()).toContain(hazard)
    expect(check.stdout()).toMatch(/\ngateway\.json: ok \(1 listener, 1 route, 1 upstream, 2 policies\)\n$/)
  })

  test('as JSON they are part of the result', async () => {
    writeFileSync(file, JSON.stringify(config))
    const check = postern(['check', '-c', 'gateway.json', '--output', 'json'], { cwd: folder })
    expect(await check.exited).toEqual({ code: 0, signal: null })
    const { problems, warnings } = JSON.parse(check.stdout()) as {
      problems: unknown[]
      warnings: { message: string }[]
    }
    expect(problems).toEqual([])
    expect(warnings.map(({ message }) => message).some((message) => hazard.includes(message))).toBe(true)
    expect(check.stderr()).toContain(hazard)
  })
})

test.each([
  ['consumer', 'consumer', true],
  ['header:x-a', 'header:x-a', true],
  ['header:x-a', 'header:x-b', false],
  ['header:*', 'header:x-a', true],
  ['header:*', 'header:*', true],
  ['header:*', 'response.header:x-a', false],
  ['response.header:*', 'response.header:x-a', true],
  ['response.header:*', 'header:x-a', false],
  ['header:x-a', 'header:*', false],
  ['header:*', 'cookie:c', true],
  ['header:cookie', 'cookie:c', true],
  ['header:x-cookie', 'cookie:c', false],
  ['upstream', 'consumer', false],
])('writing %s changes %s: %s', (written, read, expected) => {
  expect(covers(written, read)).toBe(expected)
})

test('two triggers that one request pulls are never held apart', () => {
  const paths = ['/', '/a', '/a/', '/a/b', '/a/b/c', '/b']
  const patterns = [...paths, '/*', '/a/*', '/a/b/*', '/b/*']
  const methods = ['GET', 'HEAD', 'POST']
  const some = (list: readonly string[]): fc.Arbitrary<string[]> => fc.subarray([...list], { minLength: 1 })
  const when: fc.Arbitrary<When> = fc.record({ methods: some(methods), paths: some(patterns) }, { requiredKeys: [] })
  fc.assert(
    fc.property(when, when, (a, b) => {
      const [first, second] = [compileWhen(a), compileWhen(b)]
      const meet = methods.some((method) =>
        paths.some((path) => {
          const flow = factsOf({ request: { method, path } }, 'onRequest', 'L7')
          return first.matches(flow) && second.matches(flow)
        }),
      )
      if (meet) expect(canMeet(a, b)).toBe(true)
      expect(canMeet(a, b)).toBe(canMeet(b, a))
    }),
  )
})

describe('pairs', () => {
  const facts = (writes: readonly string[] = []): PolicyFacts =>
    // Only the scopes are looked at.
    ({ scopes: { reads: [], writes } }) as unknown as PolicyFacts

  test('are the pairs of all chains, each once', () => {
    const names = ['a', 'b', 'c', 'd']
    const list = fc.uniqueArray(fc.constantFrom(...names), { maxLength: 3 })
    const upstream = fc.constantFrom('u', 'v')
    const routes = fc.array(fc.record({ policies: list, upstream }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(list, routes, list, list, fc.boolean(), (listener, all, u, v, chooses) => {
        const config = {
          listeners: { web: { protocol: 'http', policies: listener } },
          routes: Object.fromEntries(all.map((route, n) => [`r${n}`, { listener: 'web', ...route }])),
          upstreams: { u: { protocol: 'http', policies: u }, v: { protocol: 'http', policies: v } },
        } as unknown as Config
        const known = new Map(names.map((name) => [name, facts(chooses && name === 'a' ? ['upstream'] : [])]))
        const expected = new Set<string>()
        for (const { policies, upstream: own } of all) {
          const base = [...listener, ...policies]
          const free = chooses && base.includes('a')
          for (const last of free ? [u, v] : [own === 'u' ? u : v]) {
            const chain = [...base, ...last]
            for (const [i, early] of chain.entries()) {
              for (const late of chain.slice(i + 1)) if (early !== late) expected.add(`${early} ${late}`)
            }
          }
        }
        const found = findPairs(config, known).map(({ early, late }) => `${early.policy} ${late.policy}`)
        expect(found.length).toBe(new Set(found).size)
        expect(new Set(found)).toEqual(expected)
      }),
    )
  })

  test('ten thousand routes are looked through in no time', () => {
    const many = Array.from({ length: 10_000 }, (_, n) => n)
    const policies = (n: number): string[] => ['a', `p${n % 50}`, `q${n % 70}`]
    const config = {
      listeners: { web: { protocol: 'http', policies: ['l'] } },
      routes: Object.fromEntries(
        many.map((n) => [`r${n}`, { listener: 'web', policies: policies(n), upstream: `u${n}` }]),
      ),
      upstreams: Object.fromEntries(many.map((n) => [`u${n}`, { protocol: 'http', policies: [`v${n % 5}`] }])),
    } as unknown as Config
    const known = new Map(['l', 'a'].map((name) => [name, facts(['upstream'])]))
    for (const n of many.slice(0, 70)) for (const kind of ['p', 'q', 'v']) known.set(`${kind}${n}`, facts())
    // Every policy of the routes with the two before it and the five behind it, and the pairs that share a route.
    expect(findPairs(config, known).length).toBe(1 + 2 * 50 + 2 * 70 + 350 + 5 * (2 + 50 + 70))
  })
})
