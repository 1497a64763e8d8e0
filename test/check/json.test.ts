import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseJson } from '../../core/config/json.ts'

test('gives what JSON.parse gives, for whatever is JSON', () => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom(0, 2, '\t'), (text, indent) => {
      const pretty = JSON.stringify(JSON.parse(text), null, indent)
      for (const one of [text, pretty]) {
        const { value, faults } = parseJson(one)
        expect(faults.filter((fault) => !fault.message.includes('twice'))).toEqual([])
        expect(value).toStrictEqual(JSON.parse(one))
      }
    }),
  )
})

test('accepts nothing that JSON.parse refuses, and the other way round', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '1',
    '-',
    '.5',
    '01',
    'e3',
    'true',
    'tru',
    'null',
  )
  const more = fc.constantFrom('\\', '\\u00', '\\n', '\n', '\u0001', ' ', "'", '//', '\u2028', '\ufeff', '"b":')
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, more), { maxLength: 12 }), (pieces) => {
      const text = pieces.join('')
      const { value } = parseJson(text)
      expect(value !== undefined).toBe(accepts(text.replace(/^\ufeff/, '')))
    }),
    { numRuns: 2_000 },
  )
})

test('locates every value of a text', () => {
  const text = '{\n  "a": [1,\n    { "b": 2 }],\n  "a": 3\n}'
  const { locate, faults } = bound(parseJson(text))
  expect(faults).toEqual([
    { message: 'the key "a" is used twice, first in line 2, column 3; keep one', line: 4, column: 3 },
  ])
  expect(locate([])).toEqual({ line: 1, column: 1 })
  expect(locate(['a'])).toEqual({ line: 4, column: 3 })
  const list = bound(parseJson('{"a": [1,\n    { "b": 2 }]}'))
  expect(list.locate(['a', 1])).toEqual({ line: 2, column: 5 })
  expect(list.locate(['a', 1, 'b'])).toEqual({ line: 2, column: 7 })
  expect(list.locate(['a', 1, 'c', 'd'])).toEqual({ line: 2, column: 5 })
})

test('refuses what is nested too deeply for the steps that follow', () => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  expect(parseJson(deep)).toMatchObject({ value: undefined, faults: [{ line: 1, column: 102 }] })
})

function bound(document: ReturnType<typeof parseJson>): Pick<typeof document, 'locate' | 'faults'> {
  return { faults: document.faults, locate: (path) => document.locate(path) }
}

function accepts(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
