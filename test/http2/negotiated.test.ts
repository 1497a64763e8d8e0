import { createSecureServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { acceptOf } from '../../core/http/websocket.ts'
import type { Http2Pool } from '../../core/http2/connection-pool.ts'
import { ClientContext } from '../../core/tls/client-context.ts'
import { TlsConnector } from '../../core/tls/connect-tls.ts'
import { NegotiatedPool } from '../../core/upstream/negotiated-pool.ts'
import { open, send } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { collect, rawBackend } from '../http1/raw-backend.ts'
import { createAuthority } from '../tls/certificates.ts'
import { type Asked, ask } from './asking.ts'

const authority = createAuthority()
const { ca } = authority
const { chain: cert, key } = authority.issue()

interface Backend {
  readonly port: number
  /** What each handshake has agreed on. */
  readonly agreed: (string | false | null)[]
  /** Versions of the WebSockets. */
  readonly tunnels: string[]
}

/** Speaks both versions, and takes WebSockets: over HTTP/1.1, and over HTTP/2 if it says so. */
async function backendOf(allowHTTP1: boolean, enableConnectProtocol = false): Promise<Backend> {
  const server = createSecureServer({ cert, key, allowHTTP1, settings: { enableConnectProtocol } })
  const backend: Backend = { port: 0, agreed: [], tunnels: [] }
  server.on('secureConnection', (socket: TLSSocket) => {
    backend.agreed.push(socket.alpnProtocol)
    onTestFinished(() => void socket.destroy())
  })
  server.on('request', (asked, answer) => void answer.end(asked.httpVersion))
  // Without one node answers them itself.
  server.on('connect', () => {})
  server.on('stream', (stream: ServerHttp2Stream, head) => {
    stream.on('error', () => {})
    if (head[':method'] !== 'CONNECT') return
    backend.tunnels.push('2')
    stream.respond({ ':status': 200 })
    stream.write('hello')
  })
  server.on('upgrade', (asked, socket) => {
    backend.tunnels.push('1.1')
    const accept = acceptOf(asked.headers['sec-websocket-key'])
    socket.end(
      `HTTP/1.1 101 Sure\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\nhello`,
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return Object.assign(backend, { port: (server.address() as AddressInfo).port })
}

const configOf = (port: number, http: string): Json =>
  httpConfig([port], { upstreams: { app: { http, tls: { ca: 'ca.crt', serverName: 'localhost' } } } })

const files = { 'ca.crt': ca }

describe('a WebSocket to a backend that agrees on HTTP/2', () => {
  const asking =
    'GET /chat HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

  test.each([
    ['auto', false, '101', ['1.1', '1.1']],
    ['auto', true, '101', ['2', '2']],
    ['2', false, '502', []],
    ['2', true, '101', ['2', '2']],
  ] as const)('under "%s", if it takes them over HTTP/2: %s', async (http, takes, status, tunnels) => {
    const backend = await backendOf(true, takes)
    const gateway = await startInProcess(configOf(backend.port, http), files)
    // With and without a session of which the SETTINGS are known.
    for (let round = 0; round < 2; round++) {
      const client = await open(gateway.port('web'))
      const got = collect(client)
      client.write(asking)
      await until('an answer', () => got.text.includes(status === '101' ? 'hello' : '\r\n\r\n'))
      expect(got.text.slice(9, 12)).toBe(status)
      expect(await send(gateway.port('web'), '/')).toMatchObject({ status: 200, body: '2.0' })
    }
    expect(backend.tunnels).toEqual(tunnels)
    if (status === '502') {
      expect(await gateway.record(({ path }) => path === '/chat')).toMatchObject({ status: 502, outcome: 'UPE' })
    }
    expect(backend.agreed.filter((version) => version === 'h2')).toHaveLength(1)
    expect(backend.agreed.filter((version) => version === 'http/1.1')).toHaveLength(tunnels[0] === '1.1' ? 2 : 0)
  })

  test('fails when it speaks HTTP/2 alone', async () => {
    const backend = await backendOf(false)
    const gateway = await startInProcess(configOf(backend.port, 'auto'), files)
    const client = await open(gateway.port('web'))
    const got = collect(client)
    client.write(asking)
    await until('an answer', () => got.text.startsWith('HTTP/1.1 502 '))
  })
})

describe('requests that come together', () => {
  const poolTo = (port: number): NegotiatedPool => {
    const context = new ClientContext({ ca, serverName: 'localhost', minVersion: '1.2', verify: true }, [
      'h2',
      'http/1.1',
    ])
    const pool = new NegotiatedPool(
      { host: '127.0.0.1', port, address: `127.0.0.1:${port}` },
      new TlsConnector(context),
    )
    onTestFinished(() => pool.close())
    return pool
  }
  /** `ask` is for all pools that speak HTTP/2 in the end. */
  const asHttp2 = (pool: NegotiatedPool): Http2Pool => pool as unknown as Http2Pool

  test('find out by one handshake what the backend speaks, whoever is cancelled meanwhile', async () => {
    const backend = await backendOf(true)
    const pool = asHttp2(poolTo(backend.port))
    const all = Array.from({ length: 8 }, () => ask(pool))
    all[0]!.exchange.cancel()
    all[7]!.exchange.cancel()
    for (const asked of all.slice(1, 7)) expect(await asked.ended()).toMatchObject({ status: 200, body: '2.0' })
    expect(backend.agreed).toEqual(['h2'])
    expect(all[0]!.calls).toEqual([])
  })

  test('fail together, and the next ones ask anew; without one that waits nobody asks', async () => {
    // It never answers a ClientHello.
    const ends: string[] = []
    const backend = await rawBackend((socket) => void socket.once('close', () => ends.push('closed')))
    const pool = asHttp2(poolTo(backend.port))
    const [first, second] = [ask(pool, { timeout: 50 }), ask(pool)]
    for (const asked of [first, second]) expect((await asked.ended()).error).toMatchObject({ code: 'UF', status: 504 })
    const waiting = [ask(pool), ask(pool)]
    await until('another handshake', () => backend.seen.length === 2)
    for (const { exchange } of waiting) exchange.cancel()
    await until('both closed', () => ends.length === 2)
  })

  test('that one of them cancels, or sends anew when it fails, are not confused', async () => {
    const backend = await rawBackend((socket) => void socket.destroy())
    const pool = asHttp2(poolTo(backend.port))
    const again: Asked[] = []
    const first = ask(pool, {
      owner: {
        onFail() {
          second.exchange.cancel()
          again.push(ask(pool), ask(pool))
        },
      },
    })
    const second = ask(pool)
    await until('others', () => again.length === 2)
    for (const asked of again) expect((await asked.ended()).error).toMatchObject({ code: 'UF' })
    expect([first.calls, second.calls]).toEqual([[], []])
    expect(backend.seen).toHaveLength(2)
  })
})
