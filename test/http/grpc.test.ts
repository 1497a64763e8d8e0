import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fields } from '../../core/http/fields.ts'
import { encodeMessage, grpcKind, grpcStatusOf, parseTimeout, readStatus, timeoutText } from '../../core/http/grpc.ts'

test.each([
  ['application/grpc', 'grpc'],
  ['application/grpc+proto', 'grpc'],
  ['Application/GRPC; charset=utf-8', 'grpc'],
  ['application/grpc-web', 'web'],
  ['application/grpc-web+proto', 'web'],
  ['application/grpc-web-text', 'web-text'],
  ['application/grpc-web-text+proto', 'web-text'],
  ['application/grpc-webber', undefined],
  ['application/grpcx', undefined],
  ['application/json', undefined],
  ['text/application/grpc', undefined],
  [undefined, undefined],
])('the content type %s is %s', (type, kind) => {
  expect(grpcKind(type)).toBe(kind)
})

test.each([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['3S', 3_000],
  ['250m', 250],
  ['1500u', 1.5],
  ['2000000n', 2],
  ['0m', 0],
  ['99999999H', 99_999_999 * 3_600_000],
] as const)('grpc-timeout %s is %s ms', (text, ms) => {
  expect(parseTimeout(text)).toBe(ms)
})

test.each(['', '1', 'm', '-1m', '1.5S', '123456789m', '1h', '1 S', '1Sx', '1S, 2S'])(
  'grpc-timeout "%s" is malformed',
  (text) => {
    expect(parseTimeout(text)).toBeUndefined()
  },
)

test('a timeout that is passed on has at most 8 digits, and is never longer than it was', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.001, max: 1e14, noNaN: true }), (ms) => {
      const read = parseTimeout(timeoutText(ms))!
      expect(read).toBeLessThanOrEqual(ms)
      expect(read).toBeGreaterThan(ms * 0.99 - 0.001)
    }),
  )
  expect([0, -5, 0.5, 20, 1e18].map(timeoutText)).toEqual(['1u', '1u', '500u', '20000u', '99999999H'])
})

test.each([
  [400, 13],
  [401, 16],
  [403, 7],
  [404, 12],
  [413, 8],
  [429, 8],
  [500, 13],
  [502, 14],
  [503, 14],
  [504, 4],
  [200, 2],
  [408, 2],
  [418, 2],
])('the status %i of HTTP is %i in gRPC', (status, grpc) => {
  expect(grpcStatusOf(status)).toBe(grpc)
})

test.each([
  ['0', 0],
  ['14', 14],
  ['x', undefined],
  ['', undefined],
  ['-1', undefined],
  ['1, 2', undefined],
])('the grpc-status "%s" is %s', (text, status) => {
  expect(readStatus(new Fields(['grpc-status', text]))).toBe(status)
})

test('messages are percent-encoded UTF-8, and short enough for a head', () => {
  expect(encodeMessage('100% fällt aus\n')).toBe('100%25 f%C3%A4llt aus%0A')
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const encoded = encodeMessage(text)
      expect(encoded).toMatch(/^[ -~]*$/)
      expect(decodeURIComponent(encoded)).toBe(text)
    }),
  )
  expect(encodeMessage('x'.repeat(5_000))).toHaveLength(1_024)
})
