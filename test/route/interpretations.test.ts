import fc from 'fast-check'
import { expect, test } from 'vitest'
import { interpretationsOf } from '../../core/route/interpretations.ts'

const tooMany = 'the path has more than 32 interpretations, the limit'

test('paths that are in use have few', () => {
  const paths = {
    '/files/a%2Fb': 2,
    '/a//b': 2,
    '/a/../b': 2,
    '/a;b/c;d': 2,
    '/a%5Cb%2F..%2Fc': 5,
    '/files/https:%2F%2Fexample.com%2Fa%2Fb': 3,
    '/files/a%2F..%2Fb;x=1//c': 12,
    '/x/%7Ea//b;c/../d%2Fe': 24,
  }
  expect(Object.fromEntries(Object.keys(paths).map((path) => [path, interpretationsOf(path).length]))).toEqual(paths)
})

test.each([
  '/%2e%2e//%5C..;/%00',
  '/a/%61%252e/..;x/%2F%5C%252f//./b%00c;d',
  '/files/%252e%252f..;x/%2F%5C%00//.%252f%2e%2e%7E;a%3B%00/%61%252e/..;x/%2F',
])('%s has more than the limit and is refused', (path) => {
  expect(path.length).toBeLessThanOrEqual(74)
  expect(interpretationsOf(path)).toBe(tooMany)
})

test('a long path is refused by the characters of its interpretations', () => {
  expect(interpretationsOf(`/${'a'.repeat(40_000)}//b`)).toBe(
    'the interpretations of the path have more than 16384 characters together',
  )
})

const piece = fc.constantFrom('/', 'a', '.', '..', ';', '%2F', '%5C', '%2e', '%00', '%252F', '%252e', '%61', '//')

test('no path has more than 32 of them, each once', () => {
  let refused = 0
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 24 }), (pieces) => {
      const found = interpretationsOf(`/${pieces.join('')}`)
      if (found === tooMany) return void refused++
      expect(found).not.toBeTypeOf('string')
      expect(found.length).toBeLessThanOrEqual(32)
      expect(new Set(found).size).toBe(found.length)
    }),
    { numRuns: 2_000 },
  )
  expect(refused).toBeGreaterThan(0)
})
