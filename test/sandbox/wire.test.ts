import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ABSENT } from '../../core/grants/operation.ts'
import { readOutput } from '../../core/sandbox/frame.ts'
import { readRecord } from '../../core/sandbox/records.ts'
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
  expect(readRecord(`${op.setHeader}${UNIT}only a name`)).toBeUndefined()
  expect(readRecord('constructor')).toBeUndefined()
})
