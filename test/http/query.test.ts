import { expect, test } from 'vitest'
import { parameter } from '../../core/http/query.ts'

test.each([
  ['a=1&b=2', 'b', '2'],
  ['a=1&a=2', 'a', '1'],
  ['a', 'a', ''],
  ['a=', 'a', ''],
  ['a=b=c', 'a', 'b=c'],
  ['a+b=c+d', 'a b', 'c d'],
  ['%61=%C3%A9', 'a', 'é'],
  ['a=%zz', 'a', '%zz'],
  ['ab=1', 'a', undefined],
  ['b=a', 'a', undefined],
  ['', 'a', undefined],
])('%s, %s', (query, name, value) => {
  expect(parameter(query, name)).toBe(value)
})
