import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FlowFacts } from '../../core/hooks/scopes.ts'
import { Fields } from '../../core/http/fields.ts'
import { accessLine, quote, thousandths } from '../../core/telemetry/access-line.ts'
import { Phases } from '../../core/telemetry/phases.ts'

test('any text reads back as it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(JSON.parse(quote(text))).toBe(JSON.parse(JSON.stringify(text)))
    }),
  )
})

test('times are rounded to a thousandth', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (ms) => {
      expect(JSON.parse(thousandths(ms))).toBeCloseTo(Math.round(ms * 1000) / 1000, 6)
    }),
  )
})

test('unknown facts are left out; phases are those that took place', () => {
  const phases = new Phases()
  phases.enter('head')
  phases.hook('limit "reads"', 'onRequest', 0.25)
  phases.hook('limit "reads"', 'onRequest', 0.5)
  phases.end()
  const fields = new Fields(['user-agent', 'x"'.repeat(200)])
  const request = { consumer: 'al"ice', method: 'GET', host: 'a.test', path: '/"quoted"', fields }
  const ids = { layer: 'L7', id: 'i', listenerName: 'web', clientIp: '::1' }
  const flow = { ...ids, outcome: 'PD:"x', request } as unknown as FlowFacts
  const end = {
    kind: 'end',
    flow,
    bytesIn: 1,
    bytesOut: 2,
    phases,
    version: '1.1',
    attempts: 2,
    error: undefined,
  } as const
  const line = accessLine('{"level":"info"', end, 'it "broke"')
  expect(line.endsWith('}\n')).toBe(true)
  const { phases: times, ms: _ms, ...record } = JSON.parse(line) as Record<string, object>
  expect(record).toEqual({
    ...{ level: 'info', id: 'i', listener: 'web', client: '::1', consumer: 'al"ice' },
    ...{ method: 'GET', host: 'a.test', path: '/"quoted"', status: 0, outcome: 'PD:"x', cause: 'it "broke"' },
    ...{ protocol: 'HTTP/1.1', userAgent: 'x"'.repeat(128), attempts: 2 },
    ...{ bytesIn: 1, bytesOut: 2, hooks: { 'limit "reads".onRequest': 0.75 }, msg: 'request' },
  })
  expect(Object.keys(times!)).toEqual(['route', 'head'])
})
