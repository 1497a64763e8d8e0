import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fields } from '../../core/http/fields.ts'
import { Base64Reader, encodePiece, trailerFrame } from '../../core/http/grpc-web.ts'

test('trailers are a frame with the flag, the length and lines', () => {
  const frame = trailerFrame(new Fields(['grpc-status', '0', 'x-a', 'ü'], false))
  expect(frame.subarray(0, 5)).toEqual(Buffer.from([0x80, 0, 0, 0, 25]))
  expect(frame.subarray(5).toString()).toBe('grpc-status: 0\r\nx-a: ü\r\n')
})

test('base64 reads back, however it is cut, and if it is several padded texts', () => {
  const bytes = fc.uint8Array({ maxLength: 50 })
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 5 }), fc.array(fc.nat(60), { maxLength: 8 }), (texts, cuts) => {
      const encoded = Buffer.concat(texts.map(encodePiece))
      const at = [0, ...cuts.map((cut) => Math.min(cut, encoded.length)), encoded.length].toSorted((a, b) => a - b)
      const reader = new Base64Reader()
      const read = at.slice(1).map((end, i) => reader.read(encoded.subarray(at[i], end))!)
      expect(Buffer.concat(read)).toEqual(Buffer.concat(texts))
      expect(reader.isComplete).toBe(true)
    }),
  )
})

test.each(['AA=A', '=AAA', 'A===', '====', 'AA-A', 'AA_A', 'AAA\n', 'AAAA AAA'])('%j is not base64', (text) => {
  expect(new Base64Reader().read(Buffer.from(text))).toBeUndefined()
})

test('an end in the middle of a group is seen', () => {
  const reader = new Base64Reader()
  expect(reader.read(Buffer.from('AAAAAA'))).toEqual(Buffer.alloc(3))
  expect(reader.isComplete).toBe(false)
})
