import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatPath, formatProblem } from '../../core/config/problem.ts'
import { didYouMean, suggest } from '../../core/config/suggest.ts'
import { parseDuration, parseSize } from '../../core/config/units.ts'

describe('a problem', () => {
  test('is one line with its path', () => {
    const path = formatPath(['routes', 'orders-read', 'match', 'methods', 0, 'a.b', 'x "y"'])
    expect(path).toBe('routes.orders-read.match.methods[0]["a.b"]["x \\"y\\""]')
    expect(formatProblem({ file: 'gateway.json', path, message: 'm', line: 1, column: 2 })).toBe(
      `gateway.json:1:2 ${path}: m`,
    )
  })

  test('has its place in the text when it has no path', () => {
    expect(formatProblem({ file: 'a.json', path: '', message: 'm', line: 3, column: 7 })).toBe('a.json:3:7: m')
    expect(formatProblem({ file: 'a.json', path: '', message: 'm' })).toBe('a.json: m')
  })
})

describe('suggestions', () => {
  test.each([
    ['orderz', ['orders', 'users'], 'orders'],
    ['ordres', ['orders', 'users'], 'orders'],
    ['WEB', ['web'], 'web'],
    ['zzz', ['orders'], undefined],
    ['ap', ['app'], 'app'],
  ])('%s among %j', (word, candidates, expected) => {
    expect(suggest(word, candidates)).toBe(expected)
  })

  test('list what there is when nothing is near', () => {
    expect(didYouMean('zzz', ['a', 'b'])).toBe('; there are "a", "b"')
    expect(didYouMean('zzz', [])).toBe('')
  })

  test('find any name with one letter changed', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 4 }), fc.nat(), (name, place) => {
        const at = place % name.length
        expect(suggest(`${name.slice(0, at)}~${name.slice(at + 1)}`, [name])).toBe(name)
      }),
    )
  })
})

describe('units', () => {
  test.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['1.5m', 90_000],
    ['1h', 3_600_000],
    ['2d', 172_800_000],
  ])('%s is %d ms', (text, expected) => {
    expect(parseDuration(text)).toBe(expected)
  })

  test.each(['', '10', 's', '1w', '-1s', '1e3s', '0s', '0.0001ms', '25d', '1 s', '1S', '٣s'])(
    '%j is no duration',
    (text) => {
      expect(parseDuration(text)).toBeTypeOf('string')
    },
  )

  test.each([
    ['64MB', 64],
    ['512KB', 0.5],
    ['2GB', 2048],
  ])('%s is %d MB', (text, expected) => {
    expect(parseSize(text)).toBe(expected)
  })

  test.each(['', '64', '64mb', '0MB', '-1MB', '1TB'])('%j is no size', (text) => {
    expect(parseSize(text)).toBeTypeOf('string')
  })

  test('every accepted duration fits a timer', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom('ms', 's', 'm', 'h', 'd'), (number, unit) => {
        const time = parseDuration(`${number}${unit}`)
        if (typeof time === 'number') expect(time > 0 && time < 2 ** 31).toBe(true)
      }),
    )
  })
})
