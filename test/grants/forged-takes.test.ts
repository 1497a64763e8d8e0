import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { LeaseJournal } from '../../core/grants/counter/lease-journal.ts'
import { createMemoryCounters } from '../../core/grants/counter/memory-counters.ts'
import type { SharedLeases } from '../../core/grants/counter/shared-leases.ts'
import type { CounterStore } from '../../core/grants/counter/store.ts'
import { Leases, type Taker } from '../../core/sandbox/guest/leases.ts'
import { OPERATION, UNIT } from '../../core/sandbox/wire.ts'
import { takeRecord } from './dispatcher-model.ts'

const points = 1_000
const operations = 4
/** Two policies in one group. */
const policies = ['p', 'q']

let counters: CounterStore
let shared: SharedLeases
let journal: LeaseJournal
let dispatcher: Leases
let runs = 0

beforeEach(async () => {
  counters = createMemoryCounters()
  shared = counters.leases!
  journal = new LeaseJournal(shared.journal)
  const memories = policies.map((policy) => shared.open(policy, 8).memory)
  const entries = policies.map((_, i) => ({ plugin: i, entry: 0, memory: i, operations }))
  dispatcher = new Leases(JSON.stringify(entries), shared.journal, memories)
  journal.now = shared.now()
  await know('k')
})

const taker = (policy = 0): Taker => dispatcher.taker(policy, 0, ++runs)!

/** The host has answered a take of the key, and the dispatcher has heard where its lease is. */
async function know(key: string): Promise<void> {
  await counters.take('p', key, { points, duration: 60, cost: 0 })
  const one = taker()
  expect(one.decide(takeRecord([key, points, 60, 0]))).toBeUndefined()
  one.learn(shared.place('p', [key, `${points}`, '60', '0'])!)
}

/** What is left of the key. */
async function left(key = 'k'): Promise<number> {
  return (await counters.take('p', key, { points, duration: 60, cost: 0 })).remaining
}

test('a plain take is decided, and written down', async () => {
  const one = taker()
  expect(
    one
      .decide(takeRecord(['k', points, 60, 3]))
      ?.split(UNIT)
      .slice(0, 4),
  ).toEqual(['1', '1', '1', '997'])
  expect(
    one
      .decide(takeRecord(['k', points, 60, 998], 2))
      ?.split(UNIT)
      .slice(0, 4),
  ).toEqual(['2', '1', '', '997'])
  expect(journal.length).toBe(2)
  expect(journal.at(0)).toMatchObject({ turn: runs, number: 1, cost: 3, allowed: true, remaining: 997, left: 997 })
  expect(journal.at(1)).toMatchObject({ turn: runs, number: 2, cost: 998, allowed: false, remaining: 997, left: 997 })
  expect(await left()).toBe(997)
})

const valid = takeRecord(['k', points, 60, 1])

describe('is left to the host', () => {
  test.each([
    ['a cost that is no number', takeRecord(['k', points, 60, 'NaN'])],
    ['a cost without an end', takeRecord(['k', points, 60, 'Infinity'])],
    ['a cost below zero', takeRecord(['k', points, 60, -1])],
    ['a cost of minus zero', takeRecord(['k', points, 60, '-0'])],
    ['a broken cost', takeRecord(['k', points, 60, '0.5'])],
    ['a cost in another notation', takeRecord(['k', points, 60, '1e0'])],
    ['a cost with a space', takeRecord(['k', points, 60, ' 1'])],
    ['a cost that is not exact', takeRecord(['k', points, 60, 2 ** 53])],
    ['an enormous cost', takeRecord(['k', points, 60, '9'.repeat(100_000)])],
    ['no cost', takeRecord(['k', points, 60, ''])],
    ['an absent cost', takeRecord(['k', points, 60]).replace(OPERATION, `${UNIT}\x1a${OPERATION}`)],
    ['another limit', takeRecord(['k', points + 1, 60, 1])],
    ['another notation of the limit', takeRecord(['k', '1e3', 60, 1])],
    ['a key that nobody has used', takeRecord(['l', points, 60, 1])],
    ['a key with a separator', takeRecord([`k${UNIT}${points}`, 60, 1, 1])],
    ['an enormous key', takeRecord(['k'.repeat(200_000), points, 60, 1])],
    ['an argument too many', takeRecord(['k', points, 60, 1, 1])],
    ['an argument too few', takeRecord(['k', points, 60])],
    ['two takes', valid.slice(0, -1) + valid],
    ['another operation before it', `H${UNIT}a${UNIT}b${OPERATION}${valid}`],
    ['another operation', valid.replace('counter.take', 'kv.get')],
    ['another number', takeRecord(['k', points, 60, 1], 2)],
    ['no number', valid.replace('1', '')],
    ['no wait', `${valid.slice(0, -1)}H`],
    ['a body', `QAAAA${OPERATION}${valid}`],
    ['nothing', ''],
  ])('%s, and all that follows', async (_what, record) => {
    const one = taker()
    expect(one.decide(record)).toBeUndefined()
    expect(one.decide(valid)).toBeUndefined()
    expect(one.decide(takeRecord(['k', points, 60, 1], 2))).toBeUndefined()
    expect(journal.length).toBe(0)
    expect(await left()).toBe(points)
  })

  test('what another policy has asked for', () => {
    expect(taker(1).decide(valid)).toBeUndefined()
    expect(dispatcher.taker(0, 1, 1)).toBeUndefined()
    expect(dispatcher.taker(2, 0, 1)).toBeUndefined()
  })

  test('more operations than a call may use, and a number that was there before', () => {
    const one = taker()
    for (let number = 1; number <= operations; number++) {
      expect(one.decide(takeRecord(['k', points, 60, 1], number))).toBeDefined()
    }
    expect(one.decide(takeRecord(['k', points, 60, 1], operations + 1))).toBeUndefined()
    const two = taker()
    expect(two.decide(valid)).toBeDefined()
    expect(two.decide(valid)).toBeUndefined()
    expect(journal.length).toBe(operations + 1)
  })

  test('what the journal has no room for', async () => {
    for (let i = 0; i < LeaseJournal.most; i++) expect(taker().decide(valid)).toBeDefined()
    expect(taker().decide(valid)).toBeUndefined()
    expect(await left()).toBe(points - LeaseJournal.most)
  })

  test('what follows the end of the window, and a crossing in which nothing may be decided', () => {
    journal.now += 59_500
    expect(taker().decide(valid)?.split(UNIT)[4]).toBe('1')
    journal.now += 2_000
    expect(taker().decide(valid)).toBeUndefined()
    journal.now = Number.POSITIVE_INFINITY
    expect(taker().decide(valid)).toBeUndefined()
    journal.now = Number.NEGATIVE_INFINITY
  })

  test('a key that has lost its place', async () => {
    for (let i = 0; i < 7; i++) await know(`other ${i}`)
    expect(taker().decide(valid)).toBeDefined()
    await know('other 7')
    expect(taker().decide(valid)).toBeUndefined()
    expect(await left()).toBe(points - 1)
    for (let i = 0; i < 8; i++) expect(taker().decide(takeRecord([`other ${i}`, points, 60, 1]))).toBeDefined()
  })
})

test('whatever a record holds: only a plain take of a known key changes anything', () => {
  const piece = fc.constantFrom(
    UNIT,
    OPERATION,
    '\x1b^',
    '\x1f',
    '\x1c',
    'W',
    'O',
    '1',
    '60',
    '1000',
    'k',
    '',
    'counter.take',
  )
  const edit = fc.record({ at: fc.nat(valid.length), cut: fc.nat(3), put: piece })
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 3 }), (edits) => {
      journal.clear()
      let record = valid
      for (const { at, cut, put } of edits) record = record.slice(0, at) + put + record.slice(at + cut)
      const decided = taker().decide(record)
      const plain = /^O\x1e1\x1ecounter\.take\x1ek\x1e1000\x1e60\x1e(0|[1-9]\d*)\x1dW$/.exec(record)
      if (plain === null) expect([decided, journal.length]).toEqual([undefined, 0])
      else expect(journal.at(0).cost).toBe(Number(plain[1]))
    }),
    { numRuns: 5_000 },
  )
})

test('10,000 keys of one policy keep the room of eight, and take nothing from another one', async () => {
  await counters.take('q', 'k', { points, duration: 60, cost: 0 })
  const other = taker(1)
  expect(other.decide(valid)).toBeUndefined()
  const place = shared.place('q', ['k', `${points}`, '60', '1'])!
  other.learn(place)
  for (let i = 0; i < 10_000; i++) {
    const key = `key ${i}`
    void counters.take('p', key, { points, duration: 60, cost: 0 })
    if (i % 100 === 99) for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate)
  }
  for (let i = 0; i < 10_000; i++) {
    const one = taker()
    one.decide(takeRecord([`key ${i}`, points, 60, 1]))
    one.learn(shared.place('p', [`key ${i}`, `${points}`, '60', '1'])!)
  }
  const decided = Array.from({ length: 10_000 }, (_, i) => taker().decide(takeRecord([`key ${i}`, points, 60, 1])))
  expect(decided.filter((one) => one !== undefined)).toHaveLength(8)
  expect(taker(1).decide(valid)).toBeDefined()
})

test('a take that the dispatcher could only write down is done by the host', async () => {
  const one = taker()
  expect(one.decide(valid)).toBeDefined()
  const { place, left: after } = journal.at(0)
  const lease = shared.open('p', 8).at(place)!
  lease.numbers.left = points
  shared.took(lease, after)
  shared.took(lease, after)
  expect(await left()).toBe(points - 1)
})
