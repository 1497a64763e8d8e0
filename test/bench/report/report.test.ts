import { describe, expect, test } from 'vitest'
import type { Results } from '../results.ts'
import { drawChart } from './chart.ts'
import { insertBetweenMarkers, toMarkdown } from './markdown.ts'
import { toText } from './text.ts'

const row = (subject: string, cpu: number, ratio: number | undefined, errors = 0) => {
  return { subject, figures: { cpu, rate: 1e6 / cpu }, ratio, errors }
}

const results: Results = {
  date: '2026-01-02T03:04:05.678Z',
  command: 'npm run bench',
  machine: { cpu: 'Some <CPU>', cores: 2, kernel: 'Linux 6.1', memoryGiB: 4, load: 0.1 },
  versions: { node: '26.0.0' },
  missing: ['caddy (needs caddy)'],
  notes: ['load by wrk'],
  tables: [
    {
      scenario: 'small',
      title: 'small, 64 connections',
      connections: 64,
      columns: [
        { key: 'cpu', title: 'CPU µs/req', digits: 1 },
        { key: 'rate', title: 'req/s', digits: 0 },
      ],
      rows: [row('nginx', 16, 1), row('postern', 24.04, 1.5025), row('lost & found', Number.NaN, undefined, 3)],
    },
  ],
  comparisons: [
    { title: 'pass-through / nginx', value: 1.5025, target: 1.5, stretch: 1.3 },
    { title: 'connect / nginx', value: 1.9, target: 1.9, stretch: 1.5 },
    { title: 'idle', value: 1.25, target: 2.5, stretch: 1.5 },
    { title: 'access log', value: 2.5, target: undefined, stretch: undefined },
  ],
}

test('text: columns stand below each other, and errors show', () => {
  expect(toText(results)).toBe(`small, 64 connections
              CPU µs/req  × nginx   req/s  errors
nginx               16.0     1.00  62,500       0
postern             24.0     1.50  41,597       0
lost & found           —        —       —       3

targets
                       now  target  stretch
pass-through / nginx  1.50   ≤ 1.5    ≤ 1.3          not yet
connect / nginx       1.90   ≤ 1.9    ≤ 1.5          reached
idle                  1.25   ≤ 2.5    ≤ 1.5  stretch reached
access log            2.50

2026-01-02, \`npm run bench\`
Some <CPU>, 2 cores, 4 GB, Linux 6.1; load before the run 0.10
node 26.0.0
load by wrk
missing: caddy (needs caddy)
`)
})

test('chart: a bar for each row that has a figure, text escaped', () => {
  const svg = drawChart(results)
  expect([...svg.matchAll(/<rect x="230" .*? width="(\d+)"/g)].map((match) => match[1])).toEqual(['266', '400'])
  expect(svg).toContain('24.0 · 1.50×')
  expect(svg).toContain('Some &lt;CPU&gt;')
  expect(svg).not.toContain('NaN')
})

describe('markdown', () => {
  test('replaces what stands between the markers, and nothing else', () => {
    const once = insertBetweenMarkers('# A\n<!-- bench -->\nold\n<!-- /bench -->\nend\n', toMarkdown(results))
    expect(once).toMatch(/^# A\n<!-- bench -->\n\n\| {2}\| nginx \| \*\*Postern\*\* \|/)
    expect(once).toMatch(/\n\n<!-- \/bench -->\nend\n$/)
    expect(once).not.toContain('old')
    expect(insertBetweenMarkers(once, toMarkdown(results))).toBe(once)
  })

  test('a line for each main scenario, at its highest concurrency; programs that were not measured have no column', () => {
    const [small] = results.tables
    const few = { ...small!, title: 'small, 1 connection', connections: 1 }
    const relay = {
      ...small!,
      scenario: 'tcp',
      title: 'relay',
      rows: [row('haproxy tcp', 12, undefined), row('postern tcp', 13.04, undefined)],
    }
    const routes = { ...small!, scenario: 'routes' }
    expect(toMarkdown({ ...results, tables: [few, small!, routes, relay] })).toBe(`\
|  | nginx | HAProxy | **Postern** |
| --- | ---: | ---: | ---: |
| small, 64 connections: CPU µs/req | 16.0 |  | 1.50× |
| relay: CPU µs/req |  | 12.0 | 13.0 |

2026-01-02, \`npm run bench\`, Some <CPU>, 2 cores, Linux 6.1; node 26.0.0. Not measured: caddy (needs caddy).`)
  })

  test('a document without markers is left alone', () => {
    expect(() => insertBetweenMarkers('# A\n', 'x')).toThrow('<!-- bench -->')
    expect(() => insertBetweenMarkers('<!-- /bench --><!-- bench -->', 'x')).toThrow('<!-- bench -->')
  })
})
