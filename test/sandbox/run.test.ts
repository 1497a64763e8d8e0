import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ABSENT } from '../../core/grants/operation.ts'
import { frame, runHead, shapePiece } from '../../core/sandbox/frame.ts'
import { createDispatcher } from '../../core/sandbox/guest/dispatcher.ts'
import type { Enter, Start } from '../../core/sandbox/guest/run.ts'
import { plainOperations, readRecord } from '../../core/sandbox/records.ts'
import type { MemberShape } from '../../core/sandbox/run-shape.ts'
import { encodeField, flagsOf, OPERATION, op, RECORD, UNIT } from '../../core/sandbox/wire.ts'

const none = { consumer: false, headers: [], responseHeaders: [] }

type Seen = readonly [plugin: number, state: string, ...fields: string[]]

/** A run of these members in one crossing: what each was given, and the records. */
function cross(
  members: readonly MemberShape[],
  fields: readonly string[],
  recordOf: (plugin: number) => string,
  states: readonly string[] = [],
): { seen: Seen[]; records: string[] } {
  const seen: Seen[] = []
  const starts = members.map(
    (_, plugin): Start =>
      (_id, _entry, _bits, state, ...values) => {
        seen.push([plugin, state, ...values])
        return recordOf(plugin)
      },
  )
  const enters = members.map(
    (_, plugin): Enter =>
      (_id, _entry, text) => {
        const [, state = '', ...values] = text.split(UNIT)
        seen.push([plugin, state, ...values])
        return recordOf(plugin)
      },
  )
  const { dispatch } = createDispatcher(enters, () => {}, false, undefined, starts)
  const shape = shapePiece({ number: 7, chained: true, fields: fields.length, members })
  const text = [...fields, ...states].map((field) => field + UNIT).join('')
  const call = runHead(7) + flagsOf('L7', states.length > 0) + text
  const output = dispatch(frame([], { first: 1, text: shape + call }))
  return {
    seen,
    records: output
      .slice(output.indexOf(RECORD) + 1)
      .split(RECORD)
      .slice(0, -1),
  }
}

const value = fc.string({ unit: 'binary' }).map(encodeField)

test('each member of a run is given its own fields and state, and no others', () => {
  const input = fc.array(value, { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(
      input,
      fc.array(fc.array(fc.nat(11), { maxLength: 11 }), { minLength: 1, maxLength: 5 }),
      fc.boolean(),
      (fields, wanted, hasStates) => {
        const members = wanted.map((own, plugin): MemberShape => {
          return {
            plugin,
            entry: 0,
            fields: own.filter((field) => field < fields.length),
            written: [],
            writes: none,
            notes: [],
          }
        })
        const states = hasStates ? members.map((_, i) => encodeField(`state ${i}`)) : []
        const { seen } = cross(members, fields, () => '', states)
        expect(seen.length).toBeGreaterThan(0)
        for (const [plugin, state, ...values] of seen) {
          const own = members[plugin]!.fields.map((field) => fields[field]!)
          expect(values.slice(0, own.length)).toEqual(own)
          expect(values.slice(own.length).every((rest) => rest === ABSENT)).toBe(true)
          expect(state).toBe(hasStates ? `state ${plugin}` : ABSENT)
        }
      },
    ),
  )
})

const consumer = (name: string): string => op.consumer + UNIT + name
const set = (name: string, text: string): string => op.setHeader + UNIT + name + UNIT + text
const remove = (name: string): string => op.removeHeader + UNIT + name
const body = `${op.body}QUJD`

test.each([
  ['nothing', '', 'before', 'x'],
  ['the consumer', consumer('ann'), 'ann', 'x'],
  ['the last one', [consumer('ann'), consumer('bob')].join(OPERATION), 'bob', 'x'],
  ['none', consumer(ABSENT), ABSENT, 'x'],
  ['what a body stands before', [body, consumer('ann')].join(OPERATION), 'ann', 'x'],
  ['a body that looks like one', `${op.body}C${UNIT}eve`, 'before', 'x'],
  ['a header', set('x-a', 'new'), 'before', 'new'],
  ['a header in capitals', set('X-A', 'new'), 'before', 'new'],
  ['another header', set('x-ab', 'new'), 'before', 'x'],
  ['a header that is removed', remove('x-a'), 'before', ABSENT],
  [
    'a header and its removal',
    [set('x-a', 'new'), remove('x-a'), set('x-a', 'newer')].join(OPERATION),
    'before',
    'newer',
  ],
  ['a response header', `${op.setResponseHeader}${UNIT}x-a${UNIT}new`, 'before', 'x'],
])('a later member reads %s that an earlier one has written', (_what, record, name, header) => {
  const written = [
    { field: 0, header: undefined },
    { field: 1, header: 'x-a' },
  ]
  const writer: MemberShape = { plugin: 0, entry: 0, fields: [], written, writes: none, notes: [] }
  const reader: MemberShape = { plugin: 1, entry: 0, fields: [0, 1], written: [], writes: none, notes: [] }
  const { seen } = cross([writer, reader], ['before', 'x'], (plugin) => (plugin === 0 ? record : ''))
  expect(seen[1]?.slice(2, 4)).toEqual([name, header])
})

test('a write that its policy does not declare is not seen', () => {
  const writer: MemberShape = { plugin: 0, entry: 0, fields: [], written: [], writes: none, notes: [] }
  const reader: MemberShape = { plugin: 1, entry: 0, fields: [0], written: [], writes: none, notes: [] }
  const { seen } = cross([writer, reader], ['before'], (plugin) => (plugin === 0 ? consumer('eve') : ''))
  expect(seen[1]?.[2]).toBe('before')
})

test.each([
  ['an escape', consumer('\x1bZ')],
  ['a header beyond ASCII', set('x-a', 'é')],
  ['a long value', consumer('x'.repeat(9_000))],
  ['a long record', Array.from({ length: 6_000 }, () => consumer('x')).join(OPERATION)],
])('what the dispatcher cannot tell from a record leaves the later members out: %s', (_what, record) => {
  const written = [
    { field: 0, header: undefined },
    { field: 1, header: 'x-a' },
  ]
  const writer: MemberShape = { plugin: 0, entry: 0, fields: [], written, writes: none, notes: [] }
  const reader: MemberShape = { plugin: 1, entry: 0, fields: [0, 1], written: [], writes: none, notes: [] }
  const { seen, records } = cross([writer, reader, reader], ['before', 'x'], (plugin) => (plugin === 0 ? record : ''))
  expect(seen.map(([plugin]) => plugin)).toEqual([0])
  expect(records).toEqual([record, '0'])
})

test('any record of a member leaves the others their turns, or ends the run', () => {
  const text = fc.string({
    unit: fc.constantFrom('\x1a', '\x1b', OPERATION, UNIT, 'C', 'H', 'Y', 'W', 'x', '-', 'a', '0', '1'),
  })
  fc.assert(
    fc.property(text, (record) => {
      const written = [{ field: 0, header: 'x-a' }]
      const members = [0, 1].map(
        (plugin): MemberShape => ({
          plugin,
          entry: 0,
          fields: [0],
          written: plugin === 0 ? written : [],
          writes: none,
          notes: [],
        }),
      )
      const { seen, records } = cross(members, ['x'], (plugin) => (plugin === 0 ? record : set('x-b', 'y')))
      expect(records.length).toBeLessThanOrEqual(2)
      // One that waits is entered again, to be released.
      const isAsked = seen.some(([plugin]) => plugin === 1)
      if (isAsked && records.length > 0) expect(records[1]).toBe(set('x-b', 'y'))
    }),
  )
})

test('a record that only writes into the flow is read like any other, wherever it stands in an output', () => {
  const part = fc.constantFrom(
    'H',
    'h',
    'R',
    'A',
    'r',
    'U',
    'C',
    'S',
    'W',
    'E',
    'x',
    '\x1b',
    UNIT,
    UNIT,
    OPERATION,
    ABSENT,
  )
  fc.assert(
    fc.property(fc.string({ unit: part, maxLength: 12 }), fc.string({ unit: part }), (record, rest) => {
      const operations = plainOperations(
        `${rest}${RECORD}${record}${RECORD}${rest}`,
        rest.length + 1,
        rest.length + 1 + record.length,
      )
      if (operations !== undefined) expect(operations).toEqual(readRecord(record))
    }),
    { numRuns: 2_000 },
  )
  const written = [set('x-a', 'b'), remove('x-c'), consumer('ann'), `${op.state}${UNIT}`].join(OPERATION)
  expect(plainOperations(written, 0, written.length)).toEqual(readRecord(written))
})

test('a record of more operations than a call may ask for is not read in one pass: the bound is judged in one place', () => {
  const record = (count: number): string => Array.from({ length: count }, () => `S${UNIT}`).join(OPERATION)
  expect(plainOperations(record(1_000), 0, record(1_000).length)).toHaveLength(1_000)
  expect(plainOperations(record(1_001), 0, record(1_001).length)).toBeUndefined()
})
