import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { HealthConfig } from '../../core/config/types.ts'
import { Backend } from '../../core/upstream/backend.ts'
import { decodeServing, encodeCheck } from '../../core/upstream/grpc-health.ts'
import type { Verdict } from '../../core/upstream/health.ts'
import { probeGrpc } from '../../core/upstream/probe-grpc.ts'
import { until } from '../helpers/until.ts'
import { backendConfig, healthConfig } from './configs.ts'

type Answer = (stream: ServerHttp2Stream) => void

interface Probed {
  readonly verdict: Verdict | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** The verdict of one probe of a backend that answers so; its connection is closed after that. */
async function probe(answer: Answer, health: Partial<HealthConfig>): Promise<Probed> {
  let headers: IncomingHttpHeaders = {}
  let body = ''
  const sessions = new Set<ServerHttp2Session>()
  const server = createServer()
  server.on('session', (session) => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session)).on('error', () => {})
  })
  server.on('stream', (stream: ServerHttp2Stream, head) => {
    headers = head
    stream.on('error', () => {})
    stream.on('data', (piece: Buffer) => (body += piece.toString('latin1')))
    stream.on('end', () => answer(stream))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const backend = new Backend('app', backendConfig(`127.0.0.1:${port}`), undefined, { http: '2' })
  const verdict = await new Promise<Verdict | undefined>((resolve) => {
    const one = probeGrpc(backend, healthConfig(health), resolve)
    onTestFinished(() => one.cancel())
  })
  await until('its connection is closed', () => sessions.size === 0)
  return { verdict, headers, body }
}

/** Answers a call with a message and a status. */
function serving(message: string, status: string): Answer {
  return (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }))
    stream.end(Buffer.from(message, 'latin1'))
  }
}

test.each([
  ['SERVING', serving('\0\0\0\0\x02\x08\x01', '0'), true, 'the gRPC health check answered SERVING'],
  ['NOT_SERVING', serving('\0\0\0\0\x02\x08\x02', '0'), false, 'the gRPC health check answered NOT_SERVING'],
  ['UNKNOWN', serving('\0\0\0\0\0', '0'), false, 'the gRPC health check answered UNKNOWN'],
  ['something else', serving('SERVING', '0'), false, 'the gRPC health check answered malformed'],
  ['an error', serving('', '14'), false, 'the gRPC health check ended with grpc-status 14'],
  [
    'a head alone',
    (stream) => stream.respond({ ':status': 200, 'grpc-status': '12' }, { endStream: true }),
    false,
    'the gRPC health check ended with grpc-status 12',
  ],
  [
    'no gRPC',
    (stream) => stream.respond({ ':status': 404 }, { endStream: true }),
    false,
    'the gRPC health check answered 404',
  ],
  ['too much', serving('x'.repeat(100_000), '0'), false, 'the answer is too large'],
] as readonly (readonly [string, Answer, boolean, string])[])(
  'a backend that answers %s',
  async (_, answer, healthy, why) => {
    const { verdict } = await probe(answer, { grpc: {} })
    expect(verdict).toEqual({ healthy, why })
  },
)

test('asks for the service, with the host and the headers of the configuration', async () => {
  const { headers, body } = await probe(serving('\0\0\0\0\x02\x08\x01', '0'), {
    ...{ grpc: { service: 'pkg.Orders' }, host: 'orders.test', headers: { 'x-a': 'b' } },
  })
  expect(headers).toMatchObject({
    ...{ ':method': 'POST', ':path': '/grpc.health.v1.Health/Check', ':authority': 'orders.test', te: 'trailers' },
    ...{ 'content-type': 'application/grpc', 'user-agent': 'postern-health', 'x-a': 'b' },
  })
  expect(body).toBe('\0\0\0\0\x0c\x0a\x0apkg.Orders')
})

test('a backend that does not answer is not healthy', async () => {
  const { verdict } = await probe(() => {}, { grpc: {}, timeout: 50 })
  expect(verdict).toEqual({ healthy: false, why: 'no response within 50 ms' })
})

test('a backend that is not there is not healthy', async () => {
  const backend = new Backend('app', backendConfig('127.0.0.1:1'), undefined, { http: '2' })
  const verdict = await new Promise<Verdict | undefined>((resolve) => {
    probeGrpc(backend, healthConfig({ grpc: {} }), resolve)
  })
  expect(verdict).toMatchObject({ healthy: false })
})

test('the messages are those of protobuf', () => {
  expect(encodeCheck('')).toEqual(Buffer.from([0, 0, 0, 0, 0]))
  expect(
    ['', '\0', '\0\0\0\0\x01\x08', '\x01\0\0\0\0', '\0\0\0\0\x02\x08\x09'].map((text) =>
      decodeServing(Buffer.from(text)),
    ),
  ).toEqual(Array.from({ length: 5 }, () => 'malformed'))
})
