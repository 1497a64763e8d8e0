import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import h2loadCases from './cases/h2load.json' with { type: 'json' }
import cases from './cases/wrk.json' with { type: 'json' }
import { compare } from './comparisons.ts'
import { parseH2load } from './load/h2load.ts'
import { parseWrk } from './load/wrk.ts'
import { createPinning } from './pinning.ts'
import { parseStat, treeOf } from './process-tree.ts'
import { withRatios } from './results.ts'
import { median, minimum, percentile } from './statistics.ts'

const figures = fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { minLength: 1 })

describe('statistics', () => {
  test('as many values lie below the median as above', () => {
    fc.assert(
      fc.property(figures, (values) => {
        const middle = median(values)
        const below = values.filter((value) => value < middle).length
        const above = values.filter((value) => value > middle).length
        expect(Math.max(below, above)).toBeLessThanOrEqual(values.length / 2)
      }),
    )
  })

  test('a share of the values does not exceed its percentile, and it is one of them', () => {
    fc.assert(
      fc.property(figures, fc.double({ min: 0, max: 1, noNaN: true }), (values, share) => {
        const sorted = values.toSorted((a, b) => a - b)
        const value = percentile(sorted, share)
        expect(values).toContain(value)
        expect(values.filter((one) => one <= value).length).toBeGreaterThanOrEqual(share * values.length)
        expect(values.filter((one) => one < value).length).toBeLessThanOrEqual(share * values.length)
      }),
    )
  })

  test('nothing has no figures', () => {
    expect([minimum([]), median([]), percentile([], 0.5)]).toEqual([Number.NaN, Number.NaN, Number.NaN])
  })
})

test.each(cases)('wrk: $title', ({ text, result }) => {
  expect(parseWrk(text.join('\n'))).toEqual(result)
})

test.each(h2loadCases)('h2load: $title', ({ text, result }) => {
  // It tells no percentiles.
  expect(parseH2load(text.join('\n'))).toEqual({ ...result, p50: Number.NaN, p99: Number.NaN })
})

test('h2load: what it says when it cannot connect is an error', () => {
  expect(() => parseH2load('finished in 100us, 0.00 req/s')).toThrow('h2load said: finished in 100us')
})

test('wrk: what it says when it cannot connect is an error', () => {
  expect(() => parseWrk('unable to connect to 127.0.0.1:1 Connection refused')).toThrow('unable to connect')
})

describe('/proc/<pid>/stat', () => {
  const line = (pid: number, name: string, parent: number): string =>
    `${pid} (${name}) S ${parent} 1 1 0 -1 4194560 100 200 0 0 150 50 30 20 20 0 7 0 987654 1073741824 2048 18446744073709551615`

  test.each(['node', 'tmux: server', 'a) R 1 (b', '((', ') S 9 '])('a name like "%s"', (name) => {
    expect(parseStat(line(42, name, 7))).toEqual({ pid: 42, parent: 7, cpu: 2.5, started: 987654, pages: 2048 })
  })

  test('a tree is a process and all that descend from it', () => {
    const family = [
      [1, 0],
      [10, 1],
      [11, 10],
      [12, 11],
      [13, 10],
      [20, 1],
      [21, 20],
    ] as const
    const all = family.map(([pid, parent]) => parseStat(line(pid, 'x', parent)))
    const pids = treeOf(10, all).map(({ pid }) => pid)
    expect(pids.toSorted((a, b) => a - b)).toEqual([10, 11, 12, 13])
    expect(treeOf(99, all)).toEqual([])
  })
})

test.each([
  [1, true, undefined],
  [8, false, undefined],
  [2, true, { proxy: '0', load: '1', wide: '0-1' }],
  [3, true, { proxy: '0', load: '1-2', wide: '0-2' }],
  [4, true, { proxy: '0', load: '2-3', wide: '0-1' }],
  [16, true, { proxy: '0', load: '8-15', wide: '0-7' }],
])('%i cores, taskset %s', (cores, taskset, pinning) => {
  expect(createPinning(cores, taskset)).toEqual(pinning)
})

test('ratios are to the first nginx, and there are none without it', () => {
  const rows = [
    { subject: 'postern', figures: { cpu: 30 }, errors: 0 },
    { subject: 'nginx', figures: { cpu: 20 }, errors: 0 },
    { subject: 'nginx+lua', figures: { cpu: 25 }, errors: 0 },
  ]
  expect(withRatios('cpu', rows).map(({ ratio }) => ratio)).toEqual([1.5, 1, 1.25])
  expect(withRatios('cpu', rows.slice(0, 1)).map(({ ratio }) => ratio)).toEqual([undefined])
})

test('comparisons take the table with the most connections unless they name one, and need both rows', () => {
  const table = (connections: number, nginx: number, postern: number) => {
    const rows = Object.entries({ nginx, postern }).map(([subject, cpu]) => ({ subject, figures: { cpu }, errors: 0 }))
    return { scenario: 'small', title: '', connections, columns: [], rows: withRatios('cpu', rows) }
  }
  const compared = compare([table(64, 10, 14), table(1, 10, 40)])
  expect(compared).toEqual([{ title: 'pass-through / nginx, CPU per request', target: 1.5, stretch: 1.3, value: 1.4 }])
  const one = (connections: number, three: number) => {
    const rows = Object.entries({ postern: 100, 'postern +3 plugins': three }).map(([subject, cpu]) => {
      return { subject, figures: { cpu }, errors: 0 }
    })
    return { scenario: 'small', title: '', connections, columns: [], rows: withRatios('cpu', rows) }
  }
  expect(compare([one(64, 120), one(1, 130)])).toEqual([
    {
      title: '3 plugins at one connection, above pass-through, CPU µs per request',
      target: 50,
      stretch: 25,
      value: 30,
    },
  ])
})
