import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FlowFacts } from '../../core/hooks/scopes.ts'
import { Fields } from '../../core/http/fields.ts'
import type { TlsFacts } from '../../core/net/peer.ts'
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
  const ids = { layer: 'L7', id: 'i', listenerName: 'web', clientIp: '::1', peerIp: '::1' }
  const flow = { ...ids, outcome: 'PD:"x', request, grpcStatus: 14 } as unknown as FlowFacts
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
    ...{
      method: 'GET',
      host: 'a.test',
      path: '/"quoted"',
      status: 0,
      grpcStatus: 14,
      outcome: 'PD:"x',
      cause: 'it "broke"',
    },
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
    subject: fc.option(text, { nil: undefined }),
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
        const record = JSON.parse(line) as Record<string, string> & { tls?: { client: { subject: string } } }
        const { userAgent, consumer, path, outcome, cause, hooks } = record
        expect(hooks).toEqual({ [`${consumer}.onRequest`]: 0.25 })
        return { agent: userAgent, consumer, path, outcome, cause, subject: record.tls?.client.subject }
      })
      // `Fields` holds each byte of a value as a character.
      const sent = flows.map((flow) => ({ ...flow, agent: endOf(flow).flow.request!.fields.get('user-agent') }))
      expect(seen).toEqual(sent)
    }),
  )
  rmSync(file)
})

test('the TLS of the connection, as far as it is known and as long as texts are bounded', () => {
  const lines: string[] = []
  const tlsOf = (tls: TlsFacts): unknown => {
    const end = endOf({ agent: undefined, consumer: 'a', path: '/', outcome: '', subject: undefined })
    const flow = { ...end.flow, tls }
    writeAccessLine({ write: (line) => lines.push(line) }, '{"level":"info"', { ...end, flow }, undefined)
    return (JSON.parse(lines.at(-1)!) as { tls: unknown }).tls
  }
  const client = {
    ...{ issuer: 'CN=b', serial: '0A', fingerprint: 'ab', verified: false, problem: 'expired' },
    ...{ subject: `CN=${'x'.repeat(10_000)}`, san: Array.from({ length: 99 }, (_, i) => `DNS:${i}`) },
    ...{ der: Buffer.alloc(3), chain: [] },
  }
  const { der: _der, chain: _chain, ...texts } = client
  const agreed = { serverName: 'a.example', version: '1.3', cipher: 'C', alpn: 'http/1.1' }
  expect(tlsOf({ ...agreed, offered: ['h2'], resumed: true, client })).toEqual({
    ...agreed,
    resumed: true,
    client: { ...texts, subject: texts.subject.slice(0, 256), san: texts.san.slice(0, 10) },
  })
  const plain = { serverName: undefined, version: '1.2', cipher: 'C', alpn: undefined }
  expect(
    tlsOf({
      ...plain,
      offered: [],
      resumed: false,
      client: { ...client, verified: true, problem: undefined, san: [], subject: '' },
    }),
  ).toEqual({
    ...{ version: '1.2', cipher: 'C' },
    client: { subject: '', issuer: 'CN=b', serial: '0A', fingerprint: 'ab', verified: true },
  })
  const hello = { ...plain, offered: ['h2'], version: undefined, cipher: undefined, resumed: false, client: undefined }
  expect(tlsOf(hello)).toEqual({})
  expect(tlsOf({ ...hello, serverName: 'a.example' })).toEqual({ serverName: 'a.example' })
})

interface About {
  readonly agent: string | undefined
  readonly consumer: string
  readonly path: string
  readonly outcome: string
  readonly subject: string | undefined
}

function endOf(about: About): FlowEnd {
  const { agent, consumer, path, outcome, subject } = about
  const phases = new Phases()
  // A policy may have any name too.
  phases.hook(consumer, 'onRequest', 0.25)
  phases.end()
  const fields = new Fields(agent === undefined ? [] : ['user-agent', agent])
  const request = { consumer, method: 'GET', host: 'a.test', path, fields }
  const flow = { layer: 'L7', id: 'i', listenerName: 'web', clientIp: '::1', outcome, request } as unknown as FlowFacts
  const tls =
    subject === undefined ? undefined : { version: '1.3', client: { subject, issuer: '', serial: '', san: [] } }
  return {
    kind: 'end',
    flow: { ...flow, tls } as FlowFacts,
    bytesIn: 1,
    bytesOut: 2,
    phases,
    version: '1.1',
    attempts: 1,
    error: undefined,
  }
}
