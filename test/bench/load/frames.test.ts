import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { frameOf, readFrame } from './frames.ts'

const bytes = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array))
const masks = fc.option(bytes(4, 4), { nil: undefined })

describe('frames', () => {
  test('what is framed is read again, whatever follows', () => {
    fc.assert(
      fc.property(bytes(0, 125), masks, bytes(0, 10), (payload, mask, rest) => {
        const frame = frameOf(payload, mask)
        expect(readFrame(Buffer.concat([frame, rest]))).toEqual({ opcode: 1, payload, length: frame.length })
      }),
    )
  })

  test('a frame that is not all there is none yet', () => {
    fc.assert(
      fc.property(bytes(0, 125), masks, fc.nat(), (payload, mask, cut) => {
        const frame = frameOf(payload, mask)
        expect(readFrame(frame.subarray(0, cut % frame.length))).toBeUndefined()
      }),
    )
  })

  test('RFC 6455 §5.7: "Hello", plain and masked', () => {
    expect(frameOf(Buffer.from('Hello')).toString('hex')).toBe('810548656c6c6f')
    const mask = Buffer.from('37fa213d', 'hex')
    expect(frameOf(Buffer.from('Hello'), mask).toString('hex')).toBe('818537fa213d7f9f4d5158')
  })

  test('longer messages are refused', () => {
    expect(() => frameOf(Buffer.alloc(126))).toThrow(RangeError)
    expect(() => readFrame(Buffer.from('817e00ff', 'hex'))).toThrow(RangeError)
  })
})
