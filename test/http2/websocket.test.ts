import { type ClientHttp2Stream, connect, createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { acceptOf } from '../../core/http/websocket.ts'
import { accessRecord } from '../flow/wire.ts'
import { open } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { collect, type RawBackend, rawBackend } from '../http1/raw-backend.ts'
import { data, headers, rst } from './frames.ts'
import { openRaw } from './raw.ts'

const end = '\r\n\r\n'

/** Agrees to WebSockets over HTTP/1.1, says `hello` and echoes. @param answer instead of agreeing */
function backendOf1(answer?: (accept: string) => string): Promise<RawBackend> {
  return rawBackend((socket, seen) => {
    if (!seen.endsWith(end)) return void socket.write(seen.slice(seen.indexOf(end) + 4).slice(-4), 'latin1')
    const accept = acceptOf(/sec-websocket-key: (\S+)/i.exec(seen)?.[1] ?? '')
    const agreed = `HTTP/1.1 101 Sure\r\nUpgrade: websocket\r\nConnection: upgrade\r\nsec-websocket-accept: ${accept}${end}`
    socket.write(answer?.(accept) ?? `${agreed}hello`)
  })
}

interface Backend2 {
  readonly port: number
  readonly seen: { headers: Record<string, unknown>; stream: ServerHttp2Stream }[]
}

/** The same over HTTP/2 (RFC 8441). */
async function backendOf2(enableConnectProtocol = true, status = 200): Promise<Backend2> {
  const seen: Backend2['seen'] = []
  const server = createServer({ settings: { enableConnectProtocol } })
  server.on('stream', (stream: ServerHttp2Stream, head) => {
    seen.push({ headers: { ...head }, stream })
    stream.on('error', () => {})
    stream.respond({ ':status': status, 'x-a': 'b' })
    if (status !== 200) return void stream.end('no')
    stream.write('hello')
    stream.on('data', (piece: Buffer) => stream.write(piece)).on('end', () => stream.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { port: (server.address() as AddressInfo).port, seen }
}

function start(port: number, front: '1.1' | '2', back: '1.1' | '2'): Promise<TestGateway> {
  const sections: { [section: string]: { [name: string]: Json } } = {
    listeners: { web: { http: [front] } },
    upstreams: { app: { http: back } },
  }
  return startInProcess(httpConfig([port], sections))
}

interface Client2 {
  readonly stream: ClientHttp2Stream
  readonly head: Record<string, unknown>
  text: string
  isEnded: boolean
}

/** An extended CONNECT of node's client, once it is answered. */
async function connectTo(gateway: TestGateway): Promise<Client2> {
  const session = connect(`http://127.0.0.1:${gateway.port('web')}`)
  onTestFinished(() => session.destroy())
  session.on('error', () => {})
  await new Promise((resolve) => session.once('remoteSettings', resolve))
  const stream = session.request(
    { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat', 'sec-websocket-version': '13' },
    { endStream: false },
  )
  stream.on('error', () => {})
  const head = await new Promise<Record<string, unknown>>((resolve) => stream.once('response', resolve))
  const client: Client2 = { stream, head, text: '', isEnded: false }
  stream.on('data', (piece: Buffer) => (client.text += piece.toString('latin1')))
  stream.on('end', () => (client.isEnded = true))
  return client
}

describe.each(['1.1', '2'] as const)('a WebSocket from a client of HTTP/2 to a backend of HTTP/%s', (back) => {
  test('carries bytes both ways, and both ends', async () => {
    const backend1 = back === '1.1' ? await backendOf1() : undefined
    const backend2 = back === '2' ? await backendOf2() : undefined
    const gateway = await start((backend1 ?? backend2)!.port, '2', back)
    const client = await connectTo(gateway)
    expect(client.head[':status']).toBe(200)
    expect(Object.keys(client.head)).not.toContain('sec-websocket-accept')
    client.stream.write('ping')
    await until('an echo', () => client.text === 'helloping')
    client.stream.end()
    await until('the end', () => client.isEnded)
    expect(client.text).toBe('helloping')
    expect(await accessRecord(gateway)).toMatchObject({
      ...{ protocol: 'HTTP/2', method: 'GET', path: '/chat', status: 101, outcome: '', bytesIn: 4, bytesOut: 9 },
    })
    if (backend1 !== undefined) {
      expect(backend1.seen.join()).toMatch(/^GET \/chat HTTP\/1\.1\r\n/)
      expect(backend1.seen.join()).toMatch(/\r\nsec-websocket-key: [\w+/]{22}==\r\n/)
    } else {
      const [{ headers: seen }] = backend2!.seen as [Backend2['seen'][0]]
      expect(seen).toMatchObject({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat' })
      expect(Object.keys(seen)).not.toContain('sec-websocket-key')
    }
  })
})

describe('a WebSocket from a client of HTTP/1.1 to a backend of HTTP/2', () => {
  const key = 'dGhlIHNhbXBsZSBub25jZQ=='
  const ask = `GET /chat HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ${key}${end}`

  test('gets the proof of its key, and carries bytes both ways', async () => {
    const backend = await backendOf2()
    const gateway = await start(backend.port, '1.1', '2')
    const client = await open(gateway.port('web'))
    const got = collect(client)
    client.write(`${ask}ping`)
    await until('an echo', () => got.text.endsWith('helloping'))
    expect(got.text).toMatch(/^HTTP\/1\.1 101 /)
    expect(got.text).toContain('sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n')
    client.end()
    await until('the end', () => got.end === 'fin')
    expect(await accessRecord(gateway)).toMatchObject({ status: 101, outcome: '', bytesIn: 4, bytesOut: 9 })
  })

  test.each([
    ['takes none over HTTP/2', false, 200, /^HTTP\/1\.1 502 /, 'UPE'],
    ['refuses it', true, 403, /^HTTP\/1\.1 403 /, ''],
  ])('is told that its backend %s', async (_, allows, status, expected, outcome) => {
    const backend = await backendOf2(allows, status)
    const gateway = await start(backend.port, '1.1', '2')
    const client = await open(gateway.port('web'))
    const got = collect(client)
    client.write(ask)
    await until('an answer', () => expected.test(got.text))
    expect(await accessRecord(gateway)).toMatchObject({ outcome })
  })
})

describe('a client of HTTP/2 that asks for a WebSocket', () => {
  test.each([
    [
      'a wrong proof',
      () => `HTTP/1.1 101 Sure\r\nUpgrade: websocket\r\nConnection: upgrade\r\nsec-websocket-accept: x${end}`,
    ],
    ['no switch', () => `HTTP/1.1 200 OK\r\ncontent-length: 2${end}no`],
  ])('gets 502 when its backend answers with %s', async (_, answer) => {
    const backend = await backendOf1(answer)
    const gateway = await start(backend.port, '2', '1.1')
    expect((await connectTo(gateway)).head[':status']).toBe(502)
    expect(await accessRecord(gateway)).toMatchObject({ status: 502, outcome: 'UPE' })
  })

  test('gets 502 instead of a 2xx of the gateway, which would be a tunnel to it', async () => {
    const route: Json = { upstream: null, reply: { status: 200, body: 'hello' } }
    const config = httpConfig([1], { listeners: { web: { http: ['2'] } }, routes: { all: route } }) as {
      routes: { all: Record<string, Json> }
    }
    delete config.routes.all.upstream
    const gateway = await startInProcess(config as unknown as Json)
    expect((await connectTo(gateway)).head[':status']).toBe(502)
  })

  test('and resets its stream has left; the backend is reset, too', async () => {
    const backend = await backendOf1()
    const gateway = await start(backend.port, '2', '1.1')
    const client = await connectTo(gateway)
    await until('the first bytes', () => client.text === 'hello')
    client.stream.close(8)
    expect(await accessRecord(gateway)).toMatchObject({ status: 0, outcome: 'DC' })
    await until('the backend is free', () => backend.sockets.size === 0)
  })

  test.each([
    ['RST_STREAM', () => rst(1, 8), undefined],
    ['a header block', () => headers(1, ['x-a', 'b'], { end: true }), 1],
  ])('and sends %s in the tunnel ends it', async (_, frame, code) => {
    const backend = await backendOf1()
    const gateway = await start(backend.port, '2', '1.1')
    const peer = await openRaw(gateway.port('web'))
    const list = [':method', 'CONNECT', ':protocol', 'websocket', ':scheme', 'http', ':path', '/', ':authority', 'h']
    // What is sent ahead is not lost.
    peer.send(headers(1, list), data(1, 'ping'))
    await until('an echo', () => {
      const pieces = peer.frames.filter(({ name }) => name === 'DATA').map(({ payload }) => payload.toString())
      return pieces.join('') === 'helloping'
    })
    peer.send(frame())
    if (code !== undefined) expect((await peer.until('RST_STREAM')).code).toBe(code)
    expect(await accessRecord(gateway)).toMatchObject({ status: 0, outcome: 'DC' })
    await peer.settled()
  })
})

test.each(['1.1', '2'] as const)(
  'a protocol whose tunnel would hide requests reaches no backend, over %s',
  async (version) => {
    const backend = await backendOf1()
    const gateway = await start(backend.port, '2', version)
    const peer = await openRaw(gateway.port('web'))
    const list = [':method', 'CONNECT', ':protocol', 'h2c', ':scheme', 'http', ':path', '/', ':authority', 'h']
    peer.send(headers(1, list))
    expect((await peer.answer(1)).statuses).toEqual(['501'])
    expect(await accessRecord(gateway)).toMatchObject({ outcome: 'DPE', cause: 'the upgrade to h2c is not forwarded' })
    expect(backend.seen.join('')).not.toMatch(/^GET/)
  },
)
