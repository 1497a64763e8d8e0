import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeUtf8, encodeUtf8 } from '../../core/sandbox/guest/utf8.ts'

test('any text is encoded as TextEncoder does', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect([...encodeUtf8(text)]).toEqual([...new TextEncoder().encode(text)])
    }),
  )
})

test('any bytes are decoded as TextDecoder does', () => {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const byte = fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0x80, 0x90, 0x9f, 0xbf),
  )
  fc.assert(
    fc.property(fc.uint8Array(), fc.array(byte), (some, likely) => {
      for (const bytes of [some, Uint8Array.from(likely)]) expect(decodeUtf8(bytes)).toBe(decoder.decode(bytes))
    }),
    { numRuns: 1000 },
  )
})
