import { createSecureServer, createServer, type Http2Server } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { deadPort, echoBackend, httpsBackend } from '../helpers/backend.ts'
import { open, raw, send } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { createAuthority } from '../tls/certificates.ts'
import { request as ask, openTls } from '../tls/client.ts'
import { preface, request, settings } from './frames.ts'
import { openRaw, RawPeer } from './raw.ts'

const authority = createAuthority()
const { ca } = authority
const web = authority.issue()
const files = { 'web.crt': web.chain, 'web.key': web.key, 'ca.crt': ca }
const certificates = [{ cert: 'web.crt', key: 'web.key' }]

type Echo = { readonly headers: Record<string, string>; readonly version?: string }

function bodyOf(answer: { readonly body: Buffer }): Echo {
  return JSON.parse(answer.body.toString()) as Echo
}

const both = (port: number, more: { [key: string]: Json } = {}): Json =>
  httpConfig([port], { listeners: { web: { http: ['1.1', '2'], ...more } } })

/** A backend of HTTP/2 that says what it got. @param serving what it answers to the health protocol of gRPC */
async function http2Backend(tls: boolean, serving: () => number = () => 1): Promise<number> {
  const server: Http2Server = tls
    ? (createSecureServer({ cert: web.chain, key: web.key }) as unknown as Http2Server)
    : createServer()
  server.on('request', (asked, answer) => {
    if (asked.url === '/grpc.health.v1.Health/Check') {
      answer.setHeader('content-type', 'application/grpc')
      answer.addTrailers({ 'grpc-status': '0' })
      return void answer.end(Buffer.of(0, 0, 0, 0, 2, 8, serving()))
    }
    answer.setHeader('content-type', 'application/json')
    answer.end(JSON.stringify({ version: asked.httpVersion, headers: asked.headers }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

test('a plain port takes both versions, and the preface byte by byte with what follows it', async () => {
  const { port } = await startInProcess(both((await echoBackend()).port))
  expect((await send(port('web'), '/')).status).toBe(200)
  const peer = await openRaw(port('web'))
  peer.send(request(1))
  const answer = await peer.answer(1)
  expect(answer.statuses).toEqual(['200'])
  expect(bodyOf(answer).headers.via).toMatch(/^2 /)
  const socket = await open(port('web'))
  const slow = new RawPeer(socket, true, { settings: false })
  for (const byte of preface) {
    socket.write(Buffer.of(byte))
    await new Promise(setImmediate)
  }
  slow.send(settings(), request(1))
  expect((await slow.answer(1)).statuses).toEqual(['200'])
})

test('what only begins like the preface is a request of HTTP/1.1 that is malformed', async () => {
  const { port } = await startInProcess(both((await echoBackend()).port))
  const socket = await open(port('web'))
  const got: Buffer[] = []
  socket.on('data', (chunk: Buffer) => got.push(chunk))
  socket.write('PRI * HTTP/2.0\r\n\r\nXX')
  await until('an answer', () => Buffer.concat(got).toString().startsWith('HTTP/1.1 400 '))
})

test('a plain port that names no HTTP/2 does not take it', async () => {
  const { port } = await startInProcess(httpConfig([(await echoBackend()).port]))
  const socket = connect(port('web'), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  const got: Buffer[] = []
  socket.on('data', (chunk: Buffer) => got.push(chunk))
  socket.write(preface)
  await until('an answer', () => Buffer.concat(got).toString().startsWith('HTTP/1.1 400 '))
})

test('a plain port of HTTP/2 alone takes nothing else', async () => {
  const { port, record } = await startInProcess(both((await echoBackend()).port, { http: ['2'] }))
  const peer = await openRaw(port('web'))
  peer.send(request(1))
  expect((await peer.answer(1)).statuses).toEqual(['200'])
  for (const version of ['1.1', '1.0']) {
    const answer = await raw(port('web'), `GET /a HTTP/${version}\r\nhost: a\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain('connection: close')
    expect(answer).toContain('This port speaks HTTP/2 alone, with prior knowledge.')
    const cause = `the client speaks HTTP/${version}, and this port HTTP/2 alone`
    expect(await record((line) => line.cause === cause)).toMatchObject({ outcome: 'DPE', method: 'GET', path: '/a' })
  }
  // Connections that began under another configuration go on.
  const old = await startInProcess(both((await echoBackend()).port))
  const socket = await open(old.port('web'))
  const got: Buffer[] = []
  socket.on('data', (chunk: Buffer) => got.push(chunk))
  const count = (): number => Buffer.concat(got).toString().split('HTTP/1.1 200 ').length - 1
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await until('a response', () => count() === 1)
  await old.reload(both((await echoBackend()).port, { http: ['2'] }))
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await until('another response', () => count() === 2)
})

test('over TLS both sides agree, on HTTP/2 where they can, whatever the order', async () => {
  const config = (http?: Json): Json =>
    httpConfig([backend.port], {
      listeners: { web: { protocol: 'https', ...(http && { http }), tls: { certificates } } },
    })
  const backend = await echoBackend()
  const { port, reload } = await startInProcess(config(), files)
  const agreed = async (offered: string[]): Promise<unknown> =>
    (await openTls(port('web'), { ca, ALPNProtocols: offered })).alpnProtocol
  expect(await agreed(['http/1.1', 'h2'])).toBe('h2')
  expect(await agreed(['http/1.1'])).toBe('http/1.1')
  expect(await ask(port('web'), { ca })).toContain('HTTP/1.1 200 ')
  const peer = new RawPeer(await openTls(port('web'), { ca, ALPNProtocols: ['h2'] }), true, {})
  peer.send(request(1))
  expect(bodyOf(await peer.answer(1)).headers['x-forwarded-proto']).toBe('https')
  // A reload applies to new connections.
  await reload(config(['1.1']))
  expect(await agreed(['h2', 'http/1.1'])).toBe('http/1.1')
  peer.send(request(3))
  expect((await peer.answer(3)).statuses).toEqual(['200'])
  await reload(config(['1.1', '2']))
  expect(await agreed(['http/1.1', 'h2'])).toBe('h2')
  await reload(config(['2']))
  await expect(agreed(['http/1.1'])).rejects.toThrow(/no application protocol/)
  expect(await ask(port('web'), { ca })).toContain('This port speaks HTTP/2 alone.')
  const asksNothing = new RawPeer(await openTls(port('web'), { ca }), true, {})
  asksNothing.send(request(1))
  expect((await asksNothing.answer(1)).statuses).toEqual(['200'])
})

test('an upstream says which version its backends speak', async () => {
  const ports = { one: (await echoBackend()).port, two: await http2Backend(false) }
  const config = (http: string): Json =>
    httpConfig([http === '2' ? ports.two : ports.one], { upstreams: { app: { http } } })
  const { port, reload } = await startInProcess(config('2'))
  expect(await send(port('web'), '/')).toMatchObject({
    status: 200,
    body: expect.stringContaining('"version":"2.0"') as string,
  })
  await reload(config('1.1'))
  expect((await send(port('web'), '/')).status).toBe(200)
  // `auto` is 1.1 without TLS.
  await reload(config('auto'))
  expect((await send(port('web'), '/')).status).toBe(200)
})

test('auto speaks what each backend agrees on, and requests that come together share what was found out', async () => {
  const old = await httpsBackend({ cert: web.chain, key: web.key }, (_asked, answer) => void answer.end('1.1'))
  const config = (backend: number): Json =>
    httpConfig([backend], { upstreams: { app: { http: 'auto', tls: { ca: 'ca.crt', serverName: 'localhost' } } } })
  const { port, reload } = await startInProcess(config(await http2Backend(true)), files)
  const together = await Promise.all(['/a', '/b', '/c', '/d'].map((path) => send(port('web'), path)))
  for (const { status, body } of together) {
    expect(status).toBe(200)
    expect(body).toContain('"version":"2.0"')
  }
  await reload(config(old.port))
  expect(await send(port('web'), '/')).toMatchObject({ status: 200, body: '1.1' })
  expect(await send(port('web'), '/')).toMatchObject({ status: 200, body: '1.1' })
})

test.each([
  ['2', false],
  ['2', true],
  ['auto', true],
])('probes speak what the backends speak: %s, TLS %s', async (http, tls) => {
  const health = { path: '/healthz', interval: '50ms', rise: 1, fall: 1 }
  const app = { http, health, ...(tls && { tls: { ca: 'ca.crt', serverName: 'localhost' } }) }
  const backend = await http2Backend(tls)
  const dead = await deadPort()
  const config = httpConfig([backend, dead], { upstreams: { app: app as Json } })
  const { port, record, log } = await startInProcess(config, files)
  const down = await record(({ msg }) => msg === 'backend down')
  expect(down).toMatchObject({ backend: `127.0.0.1:${dead}` })
  expect(down.why).toMatch(/^GET \/healthz failed: /)
  for (let i = 0; i < 4; i++) expect((await send(port('web'), '/')).status).toBe(200)
  expect(log.filter(({ msg }) => msg === 'backend down')).toHaveLength(1)
})

test.each(['2', 'auto'])('probes by the health protocol of gRPC go over TLS as well: %s', async (http) => {
  let serving = 2
  const health = { grpc: {}, interval: '50ms', rise: 1, fall: 1 }
  const backend = await http2Backend(true, () => serving)
  const app = { http, health, tls: { ca: 'ca.crt', serverName: 'localhost' } }
  const { port, record } = await startInProcess(httpConfig([backend], { upstreams: { app: app as Json } }), files)
  const down = await record(({ msg }) => msg === 'backend down')
  expect(down.why).toBe('the gRPC health check answered NOT_SERVING')
  expect((await send(port('web'), '/')).status).toBe(503)
  serving = 1
  await record(({ msg }) => msg === 'backend up')
  expect((await send(port('web'), '/')).status).toBe(200)
})
