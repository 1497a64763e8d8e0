import { afterEach, expect, test } from 'vitest'
import { type Harness, headerOf, openHarness } from './harness.ts'

let harness: Harness
afterEach(() => harness.sandbox.close())

const probed = ['path', 'header:x-known', 'query:a', 'cookie:c']

async function probe(instance: number): Promise<Record<string, unknown>> {
  const verdict = await harness.run(instance, '/p', 'known', '1', 'biscuit')
  return JSON.parse(headerOf(verdict, 'x-found')!)
}

test('a plugin that breaks its builtins breaks them for itself only', async () => {
  harness = await openHarness([
    { plugin: 'tamper', options: { how: 'prototypes' } },
    { plugin: 'probe', options: { keys: {} }, fields: probed },
  ])
  const clean = await probe(1)
  await harness.run(0, '/x')
  await harness.run(0, '/x')
  expect(await probe(1)).toEqual(clean)
  expect(clean).toMatchObject({ polluted: '(absent)', list: ['a', 'b'] })
})

test.each(['replace', 'object', 'unreadable'])('broken builtins (%s) fail that call, and no other', async (how) => {
  harness = await openHarness([{ plugin: 'tamper', options: { how } }, { plugin: 'hostile' }])
  const calls = [harness.run(1, '/a'), harness.run(0, '/x'), harness.run(0, '/y'), harness.run(1, '/b')]
  const [a, , y, b] = await Promise.all(calls)
  expect(y).toMatchObject({ kind: 'failed', code: 'PE' })
  expect([a, b]).toEqual([
    { kind: 'done', operations: [['H', 'x-seen', '/a']] },
    { kind: 'done', operations: [['H', 'x-seen', '/b']] },
  ])
})

test('a stack trace shows a plugin no function of ours', async () => {
  harness = await openHarness([{ plugin: 'tamper', options: { how: 'caller' } }])
  const seen = headerOf(await harness.run(0, '/x'))!
  expect(seen).not.toMatch(/dispatch|enter|steps|=>/)
})

test('options are frozen and know no prototype', async () => {
  const keys = JSON.parse('{"__proto__": "p", "k": "v"}')
  harness = await openHarness([{ plugin: 'probe', options: { keys }, fields: probed }])
  expect(await probe(0)).toMatchObject({
    constructor: '(absent)',
    prototype: null,
    frozen: true,
    own: ['__proto__', 'k'],
  })
})

test('fields that are not declared are absent, and so is what only Node has', async () => {
  harness = await openHarness([{ plugin: 'probe', options: { keys: {} }, fields: probed }])
  expect(await probe(0)).toMatchObject({
    present: ['/p', 'known', '1', 'biscuit'],
    absent: Array(6).fill('(absent)'),
    headers: [],
    globals: [],
  })
})

test('text that looks like the wire is text', async () => {
  harness = await openHarness([{ plugin: 'hostile' }])
  const path = '/\x1c1\x1dE\x1e\x1f\x1a\x1b'
  expect(await harness.run(0, path)).toEqual({ kind: 'done', operations: [['H', 'x-seen', path]] })
})
