import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PosternError } from '../../core/errors.ts'
import { ABSENT } from '../../core/grants/operation.ts'
import { applyOperations, type WritableFacts } from '../../core/hooks/operations.ts'
import type { Policy } from '../../core/hooks/policy.ts'
import { compileWrites } from '../../core/hooks/writes.ts'
import { Fields } from '../../core/http/fields.ts'
import { frame, runHead, shapePiece, unfinished } from '../../core/sandbox/frame.ts'
import { createDispatcher } from '../../core/sandbox/guest/dispatcher.ts'
import { plainOperations, readRecord } from '../../core/sandbox/records.ts'
import { decodeField, encodeField, flagsOf, OPERATION, UNIT } from '../../core/sandbox/wire.ts'

const character = fc.constantFrom('x', '-', 'X', ' ', '\t', '\x01', ABSENT, '\x1b', '\x1fZ', 'é', '\ud800', ',')
const argument = fc.oneof(
  // The Kelvin sign is a k in lower case.
  fc.constantFrom('x-k', 'X-K', 'x-\u212a', 'x-a', ABSENT, ''),
  fc.string({ unit: character, maxLength: 4 }),
)
const operation = fc
  .tuple(fc.constantFrom('H', 'h', 'C', 'S', 'R', 'A', 'r', 'HH', 'Q', 'N', ''), fc.array(argument, { maxLength: 3 }))
  .map(([code, args]) => [code, ...args].join(UNIT))
const records = fc.array(operation, { maxLength: 4 }).map((operations) => operations.join(OPERATION))
const lines = fc.constantFrom([], ['x-k', 'v'], ['x-k', 'v', 'x-k', 'w'], ['x-k', ''])

const policy = {
  name: 'p',
  plugin: 'p',
  writes: compileWrites(['consumer', 'header:*', 'response.header:*']),
} as unknown as Policy

const writes = { consumer: true, headers: ['x-k'], responseHeaders: ['x-k'] }

/**
 * What the second member of a run reads as the consumer and a header, and whether it gets in the same crossing what it waits
 * for; `undefined` when it has no turn.
 */
function readBehind(
  record: string,
  values: readonly string[],
): { seen: (string | undefined)[]; isAnswered: boolean } | undefined {
  let seen: string[] | undefined
  const reader = (_id: number, number: number, text: string): string => {
    if (number >= 0) seen = text.split(UNIT).slice(2)
    return [`O${UNIT}1${UNIT}kv.get`, 'W'].join(OPERATION)
  }
  const { dispatch } = createDispatcher([() => record, reader], () => {}, true)
  const written = [
    { field: 0, header: undefined },
    { field: 1, header: 'x-k' },
  ]
  const members = [
    { plugin: 0, entry: 0, fields: [], written, writes, notes: [] },
    { plugin: 1, entry: 0, fields: [0, 1], written: [], writes, notes: [] },
  ]
  const shape = shapePiece({ number: 0, chained: true, fields: 2, members })
  const call = runHead(0) + flagsOf('L7', false) + values.map((value) => value + UNIT).join('')
  const result = dispatch(frame([], { first: 1, text: shape + call }))
  return seen && { seen: seen.map(decodeField), isAnswered: result.startsWith(unfinished) }
}

test('what a later member of a run reads is what the host has applied, and nothing is done for it if the host may refuse that', () => {
  let answered = 0
  fc.assert(
    fc.property(records, lines, fc.constantFrom(undefined, 'ann'), (record, list, consumer) => {
      const fields = new Fields([...list])
      const facts: WritableFacts = {
        states: [],
        candidates: [],
        requestFields: fields,
        responseFields: undefined,
        consumer,
        upstreamProblem: () => undefined,
        useUpstream: () => {},
      }
      const read = readBehind(record, [encodeField(consumer), encodeField(fields.text('x-k'))])
      const operations = readRecord(record)
      const plain = plainOperations(record, 0, record.length)
      if (plain !== undefined) expect(plain).toEqual(operations)
      if (read === undefined) return
      const own = typeof operations === 'string' ? [] : operations.filter(([code]) => code !== 'N')
      const isRefused =
        typeof operations === 'string' || applyOperations(facts, 'onRequest', policy, 0, own) instanceof PosternError
      // Nothing is done for a member whose turn may not come.
      if (isRefused) expect(read.isAnswered).toBe(false)
      else expect(read.seen).toEqual([facts.consumer, fields.text('x-k')])
      if (read.isAnswered) answered++
    }),
    { numRuns: Number(process.env.RUNS ?? 1_000) },
  )
  expect(answered).toBeGreaterThan(50)
})
