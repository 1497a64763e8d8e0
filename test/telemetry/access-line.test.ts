import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FlowFacts } from '../../core/hooks/scopes.ts'
import type { Exchange } from '../../core/http/exchange.ts'
import type { Target } from '../../core/route/target.ts'
import { quote, requestLine, thousandths } from '../../core/telemetry/access-line.ts'
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

test('what is not known is not there; phases are those that took place', () => {
  const phases = new Phases()
  phases.mark('route')
  phases.mark('head')
  phases.hook('limit "reads"', 'onRequest', 0.25)
  const request = { id: 'i', consumer: 'al"ice' }
  const flow = { listenerName: 'web', clientIp: '::1', outcome: 'PD:"x', request } as unknown as FlowFacts
  const exchange = { method: 'GET', bytesIn: 1, bytesOut: 2 } as Exchange
  const target = { host: 'a.test', path: '/"quoted"' } as Target
  const line = requestLine('{"level":"info"', flow, exchange, target, phases, 'it "broke"')
  expect(line.endsWith('}\n')).toBe(true)
  const { phases: times, ms: _ms, ...record } = JSON.parse(line) as Record<string, object>
  expect(record).toEqual({
    ...{ level: 'info', id: 'i', listener: 'web', client: '::1', consumer: 'al"ice' },
    ...{ method: 'GET', host: 'a.test', path: '/"quoted"', status: 0, outcome: 'PD:"x', cause: 'it "broke"' },
    ...{ bytesIn: 1, bytesOut: 2, hooks: { 'limit "reads".onRequest': 0.25 }, msg: 'request' },
  })
  expect(Object.keys(times!)).toEqual(['route', 'head'])
})
