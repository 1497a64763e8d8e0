import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hasStray, withOverlong } from '../../core/route/octets.ts'

const octet = fc.oneof(
  fc.integer({ min: 0, max: 255 }),
  fc.constantFrom(0xc0, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf),
)

test('octets are stray exactly when they are not UTF-8', () => {
  let utf8 = 0
  const octets = fc.oneof(
    fc.array(octet, { maxLength: 6 }),
    fc.string({ unit: 'binary', maxLength: 3 }).map((text) => [...Buffer.from(text)]),
  )
  fc.assert(
    fc.property(octets, fc.boolean(), (list, upper) => {
      const path = list.map((one) => `%${one.toString(16).padStart(2, '0')}`).join('')
      let isUtf8 = true
      try {
        decodeURIComponent(path)
        utf8++
      } catch {
        isUtf8 = false
      }
      expect(hasStray(`/${upper ? path.toUpperCase() : path}a`)).toBe(!isUtf8)
    }),
    { numRuns: 5000 },
  )
  expect(utf8).toBeGreaterThan(500)
})

test('overlong forms of ASCII characters are what a careless decoder reads', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 127 }), (code) => {
      const form = (lead: readonly number[]): string =>
        [...lead, 0x80 | (code & 0x3f)].map((one) => `%${one.toString(16)}`).join('')
      const character = String.fromCharCode(code)
      const high = code >> 6
      expect(withOverlong(form([0xc0 | high]))).toBe(character)
      expect(withOverlong(form([0xe0, 0x80 | high]))).toBe(character)
      expect(withOverlong(form([0xf0, 0x80, 0x80 | high]))).toBe(character)
    }),
  )
  expect(withOverlong('/caf%C3%A9/%E0%A4%B9/%F0%9F%98%80')).toBe('/caf%C3%A9/%E0%A4%B9/%F0%9F%98%80')
})
