import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fields } from '../../core/http/fields.ts'
import { removeHopByHop } from '../../core/http/hop-by-hop.ts'

function left(list: string[]): string[] {
  const fields = new Fields(list)
  removeHopByHop(fields)
  return fields.list
}

test('end-to-end fields stay, in order', () => {
  const list = ['host', 'a', 'accept', '1', 'x', '1', 'x', '2', 'trailer', 'x-sum', 'authorization', 'b', 'te2', 'y']
  expect(left([...list])).toEqual(list)
})

test('fields of one connection go, named or not', () => {
  expect(
    left([
      ...['connection', 'keep-alive', 'keep-alive', 'timeout=5', 'proxy-connection', 'close', 'a', '1'],
      ...['te', 'gzip', 'transfer-encoding', 'chunked', 'upgrade', 'h2c'],
      ...['proxy-authenticate', 'Basic', 'proxy-authorization', 'Basic eDp5'],
    ]),
  ).toEqual(['a', '1'])
})

test('every field that Connection names goes, whatever line, case or spacing', () => {
  expect(
    left([
      'x-one',
      '1',
      'connection',
      'close ,X-One,, x-two',
      'x-two',
      '2',
      'connection',
      'X-THREE',
      'x-three',
      '3',
      'b',
      '4',
    ]),
  ).toEqual(['b', '4'])
})

test('TE keeps trailers only', () => {
  expect(left(['te', 'trailers'])).toEqual(['te', 'trailers'])
  expect(left(['te', 'gzip;q=0.5, Trailers', 'connection', 'TE'])).toEqual(['te', 'trailers'])
  expect(left(['te', 'trailers', 'te', 'trailers'])).toEqual(['te', 'trailers'])
  expect(left(['te', 'deflate'])).toEqual([])
})

test('Host and Content-Length cannot be named away', () => {
  expect(left(['host', 'a', 'content-length', '3', 'connection', 'host, content-length'])).toEqual([
    ...['host', 'a', 'content-length', '3'],
  ])
})

test('what the gateway adds afterwards stays', () => {
  const fields = new Fields(['connection', 'x-request-id, via', 'x-request-id', '6'])
  removeHopByHop(fields)
  fields.append('x-request-id', '7')
  fields.append('via', '1.1 postern')
  expect(fields.list).toEqual(['x-request-id', '7', 'via', '1.1 postern'])
})

test('what a trusted proxy says of earlier hops cannot be named away', () => {
  const hops = ['x-forwarded-for', '6.6.6.6', 'x-forwarded-proto', 'https', 'forwarded', 'for=6.6.6.6']
  expect(left([...hops, 'connection', 'X-Forwarded-For, x-forwarded-proto, forwarded'])).toEqual(hops)
})

test('twice is once, and nothing named is left', () => {
  const name = fc.constantFrom('a', 'b', 'connection', 'te', 'upgrade', 'keep-alive', 'host')
  const value = fc.constantFrom('a', 'b', 'A, b', 'close', 'trailers', 'te')
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), (lines) => {
      const once = left(lines.flat())
      expect(left([...once])).toEqual(once)
      const named = lines
        .filter(([name]) => name === 'connection')
        .flatMap(([, value]) => value.toLowerCase().split(', '))
      for (const field of ['a', 'b']) if (named.includes(field)) expect(new Fields(once).has(field)).toBe(false)
    }),
  )
})
