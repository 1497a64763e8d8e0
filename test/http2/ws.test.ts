import { randomBytes } from 'node:crypto'
import { connect, createSecureServer, createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import WebSocket, { WebSocketServer } from 'ws'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { createAuthority } from '../tls/certificates.ts'

const authority = createAuthority()
const { ca } = authority
const { chain: cert, key } = authority.issue()
const files = { 'web.crt': cert, 'web.key': key, 'ca.crt': ca }
const maxPayload = 8_000_000

/** What `ws` has for a socket whose handshake somebody else has done; not in its types. */
interface Adopting {
  _isServer: boolean
  setSocket(socket: Duplex, head: Buffer, options: { maxPayload: number }): void
}

/** A WebSocket of `ws` on a stream that carries one already (RFC 8441 §5). */
function onStream(stream: Duplex, isServer: boolean): WebSocket {
  const socket = new WebSocket(null as never, undefined, {
    autoPong: true,
    closeTimeout: 30_000,
  } as never) as WebSocket & Adopting
  socket._isServer = isServer
  socket.on('error', () => {})
  socket.setSocket(stream, Buffer.alloc(0), { maxPayload })
  return socket
}

/** Sends back every message; `bye` closes with a reason, `drop` breaks off. */
function serve(socket: WebSocket): void {
  socket.on('error', () => {})
  socket.on('message', (message: Buffer, isBinary) => {
    if (message.toString() === 'bye') socket.close(4_001, 'as you wish')
    else if (message.toString() === 'drop') socket.terminate()
    else socket.send(message, { binary: isBinary })
  })
}

async function listening(server: Server | Http2Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** The server of `ws` as it comes. */
async function backendOf1(isTls: boolean): Promise<number> {
  if (isTls) {
    const server = createHttpsServer({ cert, key })
    new WebSocketServer({ server, maxPayload }).on('connection', serve)
    return listening(server)
  }
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload }).on('connection', serve)
  await until('the port', () => server.address())
  onTestFinished(() => server.close())
  return (server.address() as AddressInfo).port
}

/** `ws` behind the HTTP/2 of Node. */
async function backendOf2(isTls: boolean): Promise<number> {
  const settings = { enableConnectProtocol: true }
  const server = isTls ? createSecureServer({ cert, key, settings }) : createServer({ settings })
  server.on('stream', (stream: ServerHttp2Stream, head) => {
    if (head[':protocol'] !== 'websocket') return void stream.close(1)
    stream.respond({ ':status': 200 })
    serve(onStream(stream, true))
  })
  return listening(server as unknown as Server)
}

/** `ws` on an extended CONNECT of Node's client. */
async function openOver2(gateway: TestGateway, isTls: boolean): Promise<WebSocket> {
  const origin = `${isTls ? 'https' : 'http'}://localhost:${gateway.port('web')}`
  const session = connect(origin, { ca, host: '127.0.0.1' } as never)
  onTestFinished(() => session.destroy())
  session.on('error', () => {})
  await new Promise((resolve) => session.once('remoteSettings', resolve))
  expect(session.remoteSettings.enableConnectProtocol).toBe(true)
  const head = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat', 'sec-websocket-version': '13' }
  const stream = session.request(head, { endStream: false })
  stream.on('error', () => {})
  const answer = await new Promise<Record<string, unknown>>((resolve) => stream.once('response', resolve))
  expect(answer[':status']).toBe(200)
  return onStream(stream, false)
}

async function openOver1(gateway: TestGateway, isTls: boolean): Promise<WebSocket> {
  const socket = new WebSocket(`${isTls ? 'wss' : 'ws'}://localhost:${gateway.port('web')}/chat`, {
    ca,
    maxPayload,
    // The address, and the name of the certificate.
    lookup: ((_name: string, _options: object, done: (error: null, found: object[]) => void) =>
      done(null, [{ address: '127.0.0.1', family: 4 }])) as never,
  })
  onTestFinished(() => socket.terminate())
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  return socket
}

interface Way {
  readonly front: '1.1' | '2'
  readonly back: '1.1' | '2' | 'auto'
  /** What the backend speaks, where the gateway finds it out. */
  readonly speaks?: '1.1' | '2'
  readonly tls: boolean
}

const ways: readonly Way[] = [
  { front: '2', back: '1.1', tls: false },
  { front: '2', back: '2', tls: false },
  { front: '1.1', back: '2', tls: false },
  { front: '2', back: '1.1', tls: true },
  { front: '2', back: '2', tls: true },
  { front: '1.1', back: '2', tls: true },
  { front: '2', back: 'auto', speaks: '2', tls: true },
  { front: '2', back: 'auto', speaks: '1.1', tls: true },
]

describe.each(ways.map((way) => ({ speaks: way.back, ...way })))(
  'ws over HTTP/$front to HTTP/$speaks (http: $back), TLS: $tls',
  ({ front, back, speaks, tls }) => {
    async function opened(): Promise<{ gateway: TestGateway; socket: WebSocket }> {
      const backend = await (speaks === '2' ? backendOf2(tls) : backendOf1(tls))
      const web: { [name: string]: Json } = { http: ['1.1', '2'] }
      const app: { [name: string]: Json } = { http: back }
      if (tls) {
        Object.assign(web, { protocol: 'https', tls: { certificates: [{ cert: 'web.crt', key: 'web.key' }] } })
        app.tls = { ca: 'ca.crt', serverName: 'localhost' }
      }
      const gateway = await startInProcess(httpConfig([backend], { listeners: { web }, upstreams: { app } }), files)
      return { gateway, socket: await (front === '2' ? openOver2(gateway, tls) : openOver1(gateway, tls)) }
    }

    test('messages of every size come back as they were, in order, and both ends say why they end', async () => {
      const { gateway, socket } = await opened()
      const got: string[] = []
      socket.on('message', (message: Buffer, isBinary) =>
        got.push(isBinary ? message.toString('base64') : `${message}`),
      )
      const sent = [0, 1, 125, 126, 65_535, 65_536, 1_500_000].map((size) => randomBytes(size))
      for (const message of sent) socket.send(message)
      const words = Array.from({ length: 200 }, (_, i) => `message ${i}`)
      for (const word of words) socket.send(word)
      await until('all of them', () => got.length === sent.length + words.length)
      expect(got).toEqual([...sent.map((message) => message.toString('base64')), ...words])
      const pong = new Promise((resolve) => socket.once('pong', (data: Buffer) => resolve(data.toString())))
      socket.ping('there?')
      expect(await pong).toBe('there?')
      const closed = new Promise<[number, string]>((resolve) => {
        socket.once('close', (code, reason: Buffer) => resolve([code, reason.toString()]))
      })
      socket.send('bye')
      expect(await closed).toEqual([4_001, 'as you wish'])
      const record = await gateway.record(({ msg }) => msg === 'request')
      expect(record).toMatchObject({ status: 101, outcome: '', path: '/chat' })
      expect(record.protocol).toBe(`HTTP/${front}`)
      expect(record.bytesIn).toBeGreaterThan(1_500_000)
      expect(record.bytesOut).toBeGreaterThan(1_500_000)
    })

    test('a server that breaks off: the client is told', async () => {
      const { socket } = await opened()
      const closed = new Promise((resolve) => socket.once('close', resolve))
      socket.send('drop')
      expect(await closed).toBe(1_006)
    })
  },
)
