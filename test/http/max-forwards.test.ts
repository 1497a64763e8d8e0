import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PosternError } from '../../core/errors.ts'
import { Fields } from '../../core/http/fields.ts'
import { countHop } from '../../core/http/max-forwards.ts'
import { registeredMethods } from '../../core/http/methods.ts'

const hop = (value: string, method = 'OPTIONS'): string | undefined => {
  const fields = new Fields(['max-forwards', value])
  return countHop(method, fields, undefined) === undefined ? fields.get('max-forwards') : undefined
}

test('every hop makes it one less, down to none, and never more', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 30n }), (hops) => {
      const left = hop(`${hops}`)
      if (hops === 0n) expect(left).toBeUndefined()
      else if (hops <= 2n ** 31n) expect(left).toBe(`${hops - 1n}`)
      else expect(left).toBe(`${2n ** 31n - 1n}`)
    }),
  )
})

test('on other methods it is left alone', () => {
  for (const method of registeredMethods)
    if (method !== 'OPTIONS' && method !== 'TRACE') expect(hop('0', method)).toBe('0')
})

test('what is not one number is refused', () => {
  for (const value of ['', '-1', '+1', '1.0', '0x1', '1 1', '1,1']) {
    expect(countHop('TRACE', new Fields(['max-forwards', value]), undefined), value).toBeInstanceOf(PosternError)
  }
  expect(countHop('TRACE', new Fields(['max-forwards', '0', 'max-forwards', '5']), undefined)).toBeInstanceOf(
    PosternError,
  )
})

test('the last one says what the route takes', () => {
  const allow = (method: string, taken?: string[]): unknown => {
    const answer = countHop(method, new Fields(['max-forwards', '0']), taken)
    return answer instanceof PosternError ? undefined : [answer?.status, ...(answer?.headers ?? [])]
  }
  expect(allow('OPTIONS', ['GET', 'TRACE', 'OPTIONS'])).toEqual([200, ['allow', 'GET, OPTIONS, HEAD']])
  expect(allow('TRACE', ['TRACE', 'PUT'])).toEqual([405, ['allow', 'PUT']])
  expect(`${allow('OPTIONS')}`).toMatch(/^200,allow,GET, HEAD, POST, /)
})
