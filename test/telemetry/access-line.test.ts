import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FlowFacts } from '../../core/hooks/scopes.ts'
import { Fields } from '../../core/http/fields.ts'
import { quote, thousandths, writeAccessLine } from '../../core/telemetry/access-line.ts'
import { LineBatch } from '../../core/telemetry/line-batch.ts'
import { Phases } from '../../core/telemetry/phases.ts'
import type { FlowEnd } from '../../core/telemetry/tap.ts'

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
  let line = ''
  const to = { write: (text: string) => (line += text) }
  writeAccessLine(to, '{"level":"info"', end, 'it "broke"')
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

test('records read back from a file as they were written, whatever the characters of those before', async () => {
  // Half of a surrogate pair is escaped, because UTF-8 has no place for it.
  const text = fc.oneof(
    fc.constantFrom('', 'curl/8.0', 'Jürgen', 'a"b\\'),
    fc.string({ unit: 'binary', maxLength: 20 }),
  )
  const flow = fc.record({
    agent: fc.constantFrom(undefined, '', 'curl/8.0', 'J\xfcrgen'),
    consumer: text,
    path: text,
    outcome: text,
    cause: text,
  })
  const file = join(mkdtempSync(join(tmpdir(), 'postern-log-')), 'log')
  await fc.assert(
    fc.asyncProperty(fc.array(flow, { maxLength: 20 }), async (flows) => {
      const descriptor = openSync(file, 'w')
      const batch = new LineBatch(descriptor)
      for (const { cause, ...about } of flows) writeAccessLine(batch, '{"level":"info"', endOf(about), cause)
      await new Promise<void>((resolve) => batch.flush(resolve))
      closeSync(descriptor)
      const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
      const seen = lines.map((line) => {
        const { userAgent, consumer, path, outcome, cause, hooks } = JSON.parse(line) as Record<string, string>
        expect(hooks).toEqual({ [`${consumer}.onRequest`]: 0.25 })
        return { agent: userAgent, consumer, path, outcome, cause }
      })
      // `Fields` holds each byte of a value as a character.
      const sent = flows.map((flow) => ({ ...flow, agent: endOf(flow).flow.request!.fields.get('user-agent') }))
      expect(seen).toEqual(sent)
    }),
  )
  rmSync(file)
})

function endOf(about: { agent: string | undefined; consumer: string; path: string; outcome: string }): FlowEnd {
  const { agent, consumer, path, outcome } = about
  const phases = new Phases()
  // A policy may have any name too.
  phases.hook(consumer, 'onRequest', 0.25)
  phases.end()
  const fields = new Fields(agent === undefined ? [] : ['user-agent', agent])
  const request = { consumer, method: 'GET', host: 'a.test', path, fields }
  const flow = { layer: 'L7', id: 'i', listenerName: 'web', clientIp: '::1', outcome, request } as unknown as FlowFacts
  return { kind: 'end', flow, bytesIn: 1, bytesOut: 2, phases, version: '1.1', attempts: 1, error: undefined }
}
