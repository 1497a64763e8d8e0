import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ABSENT } from '../../core/grants/operation.ts'
import { bounds } from '../../core/sandbox/bounds.ts'
import { readOutput } from '../../core/sandbox/frame.ts'
import { bodyProblem, readRecord, readThrown } from '../../core/sandbox/records.ts'
import {
  decodeField,
  decodeItems,
  encodeField,
  encodeItems,
  escapeText,
  ITEM,
  OPERATION,
  op,
  RECORD,
  UNIT,
  unescapeText,
} from '../../core/sandbox/wire.ts'

/** Strings in which separators, escapes and what they become are frequent. */
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('\x1a', '\x1b', '\x1c', '\x1d', '\x1e', '\x1f', 'Z', '[', '_', 'a') }),
)

test('any string survives the wire, and its encoded form contains no separator', () => {
  fc.assert(
    fc.property(text, (value) => {
      const escaped = escapeText(value)
      expect(unescapeText(escaped)).toBe(value)
      for (const separator of [RECORD, OPERATION, UNIT, ITEM, ABSENT]) expect(escaped).not.toContain(separator)
    }),
  )
})

test('absence is not the empty string, and no string is absence', () => {
  fc.assert(
    fc.property(fc.option(text, { nil: undefined }), (value) => {
      expect(decodeField(encodeField(value))).toBe(value)
    }),
  )
})

test('lists survive', () => {
  fc.assert(
    fc.property(fc.array(text, { minLength: 2 }), (items) => {
      expect(decodeItems(encodeItems(items))).toEqual(items)
    }),
  )
})

test('a record survives', () => {
  const operation = fc.tuple(fc.constant(op.setHeader), text, text)
  fc.assert(
    fc.property(fc.array(operation, { minLength: 1 }), (operations) => {
      const record = operations.map((parts) => parts.map(escapeText).join(UNIT)).join(OPERATION)
      expect(readRecord(record)).toEqual(operations)
    }),
  )
})

test('any output of an isolate can be read, or is refused', () => {
  fc.assert(
    fc.property(text, (output) => {
      for (const record of readOutput(output) ?? []) readRecord(record)
      readRecord(output)
    }),
  )
  expect(readRecord(`${op.setHeader}${UNIT}only a name`)).toBe('the plugin sent a malformed record')
  expect(readRecord('constructor')).toBe('the plugin sent a malformed record')
})

describe('the host reads a record', () => {
  const wait = OPERATION + op.wait

  test('no further than its bounds', () => {
    const many = `${op.wait}${wait.repeat(bounds.operations)}`
    expect(readRecord(many)).toBe('the hook asked for more than 1000 operations')
    expect(readRecord(many, bounds.operations + 1)).toHaveLength(bounds.operations + 1)
    const wide = `${op.note}${UNIT.repeat(bounds.parts)}`
    expect(readRecord(wide)).toBe('the hook wrote operations with more than 10000 arguments')
    expect(readRecord(wide.slice(0, bounds.parts))).toHaveLength(1)
  })

  test('in linear time: an operation costs no more when much text follows it', () => {
    const operations = op.wait + wait.repeat(9_000)
    const cpuOf = (record: string): number => {
      let least = Number.POSITIVE_INFINITY
      for (let round = 0; round < 5; round++) {
        const before = process.cpuUsage()
        readRecord(record, Number.POSITIVE_INFINITY)
        const { user, system } = process.cpuUsage(before)
        least = Math.min(least, user + system)
      }
      return least
    }
    cpuOf(operations)
    // If each operation were searched for its arguments through all of the text, it would be ten times as much and more.
    const long = OPERATION + 'x'.repeat(500_000)
    expect(cpuOf(operations + long) / cpuOf(operations)).toBeLessThan(4)
  })

  test('with a body of base64 and of the right size only', () => {
    expect(bodyProblem('')).toBeUndefined()
    expect(bodyProblem('YQ==')).toBeUndefined()
    for (const body of ['YQ', 'YQ=', 'Y===', 'YQ==YQ==', 'Y\nQ=', 'Y-Q=', `YQ${UNIT}=`, 'é===']) {
      expect(bodyProblem(body), body).toBe('the plugin sent a malformed record')
    }
    expect(bodyProblem('A'.repeat(bounds.body))).toBeUndefined()
    expect(bodyProblem('A'.repeat(bounds.body + 4))).toBe('the hook wrote a body of more than 1,048,576 bytes')
  })

  test('cut to the bounds where it is an error', () => {
    const { kind, message, stack } = readThrown(
      ['E', 'k'.repeat(9_000), 'm'.repeat(9_000), 's'.repeat(9_000)].join(UNIT),
    )
    expect([kind.length, message.length, stack.length]).toEqual([100, 2_000, 4_000])
  })
})
