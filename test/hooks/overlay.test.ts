import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PosternError } from '../../core/errors.ts'
import { ABSENT } from '../../core/grants/operation.ts'
import { applyOperations, type WritableFacts } from '../../core/hooks/operations.ts'
import type { Policy } from '../../core/hooks/policy.ts'
import { compileWrites } from '../../core/hooks/writes.ts'
import { Fields } from '../../core/http/fields.ts'
import { frame, runHead, shapePiece } from '../../core/sandbox/frame.ts'
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

/** What the second member of a run reads as the consumer and a header; `undefined` when it has no turn. */
function readBehind(record: string, values: readonly string[]): (string | undefined)[] | undefined {
  let seen: string[] | undefined
  const { dispatch } = createDispatcher([
    () => record,
    (_id, _entry, text) => {
      seen = text.split(UNIT).slice(2)
      return ''
    },
  ])
  const written = [
    { field: 0, header: undefined },
    { field: 1, header: 'x-k' },
  ]
  const members = [
    { plugin: 0, entry: 0, fields: [], written },
    { plugin: 1, entry: 0, fields: [0, 1], written: [] },
  ]
  const shape = shapePiece({ number: 0, chained: true, fields: 2, members })
  const call = runHead(0) + flagsOf('L7', false) + values.map((value) => value + UNIT).join('')
  dispatch(frame([], { first: 1, text: shape + call }))
  return seen?.map(decodeField)
}

test('what a later member of a run reads is what the host has applied', () => {
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
      const seen = readBehind(record, [encodeField(consumer), encodeField(fields.text('x-k'))])
      const operations = readRecord(record)
      const plain = plainOperations(record, 0, record.length)
      if (plain !== undefined) expect(plain).toEqual(operations)
      if (seen === undefined || typeof operations === 'string') return
      const own = operations.filter(([code]) => code !== 'N')
      if (applyOperations(facts, 'onRequest', policy, 0, own) instanceof PosternError) return
      expect(seen).toEqual([facts.consumer, fields.text('x-k')])
    }),
    { numRuns: Number(process.env.RUNS ?? 1_000) },
  )
})
