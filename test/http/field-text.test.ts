import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asValue, textOf } from '../../core/http/field-text.ts'
import { Fields } from '../../core/http/fields.ts'

const bytes = fc.uint8Array({ max: 255, maxLength: 60 }).map((all) => Buffer.from(all).toString('latin1'))

describe('the text of a field value', () => {
  test('is UTF-8 where the bytes are, else ISO-8859-1', () => {
    expect(textOf('Z\xc3\xbcrich')).toBe('Zürich')
    expect(textOf('Z\xfcrich')).toBe('Zürich')
    // Not UTF-8: overlong, a surrogate, cut.
    for (const value of ['\xc0\xaf', '\xed\xa0\x80', '\xe2\x82', '\xff']) expect(textOf(value)).toBe(value)
  })

  test('whatever a text is, its value is read as that text', () => {
    const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 60 }))
    fc.assert(
      fc.property(text, (said) => {
        const value = asValue(said)
        expect(value).toMatch(/^[\x00-\xff]*$/)
        expect(textOf(value)).toBe(said)
      }),
    )
  })

  test('is the value itself where that is ASCII, and never changes it', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        const fields = new Fields(['x', value], true)
        fields.text('x')
        expect(fields.list[1]).toBe(value)
        if (/^[\x00-\x7f]*$/.test(value)) expect(textOf(value)).toBe(value)
      }),
    )
  })

  test('is read line by line', () => {
    const fields = new Fields(['x', 'Z\xc3\xbcrich', 'x', 'Z\xfcrich'], true)
    expect(fields.text('x')).toBe('Zürich, Zürich')
    expect(fields.texts).toEqual(['x', 'Zürich', 'x', 'Zürich'])
  })
})
