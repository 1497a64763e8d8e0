import { expect, test } from 'vitest'
import { cookie } from '../../core/http/cookie.ts'

test.each([
  ['a=1; b=2', 'b', '2'],
  ['a=1;b=2', 'b', '2'],
  ['a=1; a=2', 'a', '1'],
  ['a="1"', 'a', '1'],
  ['a="', 'a', '"'],
  ['a=b=c', 'a', 'b=c'],
  ['a=', 'a', ''],
  ['a; b=1', 'a', undefined],
  ['ab=1', 'a', undefined],
  ['A=1', 'a', undefined],
  ['', 'a', undefined],
])('%s, %s', (header, name, value) => {
  expect(cookie(header, name)).toBe(value)
})
