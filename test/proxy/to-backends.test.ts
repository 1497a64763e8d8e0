import { connect as connectHttp2 } from 'node:http2'
import type { Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { newAgent, open } from '../helpers/client.ts'
import { type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { createAuthority } from '../tls/certificates.ts'
import { openTls } from '../tls/client.ts'
import { type GreetedBackend, greetedBackend, overTls, tell, tellRequests } from './greeted.ts'
import { get } from './requests.ts'

const authority = createAuthority()
const server = authority.issue({ names: ['localhost', '127.0.0.1'] })
const people = createAuthority('People')
const alice = people.issue({ subject: [['CN', 'alice']], names: [], usage: 'client' })
const files = { 'ca.crt': authority.cert, 'web.crt': server.chain, 'web.key': server.key, 'people.crt': people.cert }
const serverTls = { cert: server.chain, key: server.key }
const listenerTls: Json = { certificates: [{ cert: 'web.crt', key: 'web.key' }] }

function gateway(
  protocol: string,
  backend: GreetedBackend,
  upstream: { [key: string]: Json },
  listener: { [key: string]: Json } = {},
): Promise<TestGateway & { readonly drain: () => Promise<void> }> {
  return startInProcess(configOf(protocol, backend, upstream, listener), files)
}

function configOf(
  protocol: string,
  { port }: GreetedBackend,
  upstream: { [key: string]: Json },
  listener: { [key: string]: Json } = {},
): Json {
  const isL7 = protocol === 'http' || protocol === 'https'
  const backends: Json = [{ address: `127.0.0.1:${port}` }]
  return {
    listeners: { in: { protocol, address: '127.0.0.1', port: 0, ...listener } },
    routes: { all: { listener: 'in', upstream: 'app' } },
    upstreams: { app: { protocol: isL7 ? 'http' : 'tcp', backends, health: false, ...upstream } },
  }
}

/** What a tcp backend says that its header told. */
async function told(socket: Socket): Promise<unknown> {
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString()
  })
  socket.write('hello')
  await until('an answer', () => text.endsWith('\n'))
  return JSON.parse(text)
}

function endsOf(socket: Socket, port: number): unknown {
  return {
    source: { address: '127.0.0.1', port: socket.localPort },
    destination: { address: '127.0.0.1', port },
    transport: 'stream',
  }
}

test.each(['v1', 'v2'])('a tcp upstream is told of its client by %s', async (proxyProtocol) => {
  const backend = await greetedBackend(tell)
  const { port } = await gateway('tcp', backend, { proxyProtocol })
  for (const socket of [await open(port('in')), await open(port('in'))]) {
    expect(await told(socket)).toEqual({ ends: endsOf(socket, port('in')) })
  }
  expect(backend.raw[0]!.toString('latin1').startsWith('PROXY TCP4 127.0.0.1 127.0.0.1 ')).toBe(proxyProtocol === 'v1')
})

test('the header comes in clear before the handshake with the backend', async () => {
  const backend = await greetedBackend(overTls(serverTls, tell))
  const { port } = await gateway('tcp', backend, { proxyProtocol: 'v1', tls: { ca: 'ca.crt' } })
  const socket = await open(port('in'))
  expect(await told(socket)).toEqual({ ends: endsOf(socket, port('in')) })
})

test('version 2 says what is known of the TLS of the client', async () => {
  const backend = await greetedBackend(tell)
  const clientCertificate = { mode: 'request', ca: ['people.crt'] }
  const { port } = await gateway(
    'tls',
    backend,
    { proxyProtocol: 'v2' },
    { tls: { ...(listenerTls as object), clientCertificate } },
  )
  const known = await openTls(port('in'), {
    ca: authority.ca,
    servername: 'localhost',
    cert: alice.chain,
    key: alice.key,
  })
  expect(await told(known)).toMatchObject({
    tls: { serverName: 'localhost', version: '1.3', client: { commonName: 'alice', verified: true } },
  })
  const { tls } = (await told(await openTls(port('in'), { ca: authority.ca, servername: 'localhost' }))) as {
    tls: object
  }
  expect(tls).toMatchObject({ version: '1.3', cipher: expect.stringMatching(/^TLS_/) as unknown })
  expect(tls).not.toHaveProperty('client')
})

test('requests of one connection share one to the backend, which ends with it; another client has its own', async () => {
  const backend = await greetedBackend(tellRequests())
  const { port } = await gateway('http', backend, { proxyProtocol: 'v2' })
  const [one, two] = [newAgent({ keepAlive: true }), newAgent({ keepAlive: true })]
  const first = await get(port('in'), one)
  expect(first.told).toEqual({ ends: endsOf(first.socket, port('in')) })
  const again = await get(port('in'), one)
  expect(again.socket).toBe(first.socket)
  const other = await get(port('in'), two)
  expect(other.told).toEqual({ ends: endsOf(other.socket, port('in')) })
  expect(backend.headers.length).toBe(2)
  expect(backend.sockets.size).toBe(2)
  one.destroy()
  await until('one connection less', () => backend.sockets.size === 1)
  two.destroy()
  await until('none', () => backend.sockets.size === 0)
})

test('streams of one HTTP/2 client go over several connections to the backend, all of that client', async () => {
  const serve = tellRequests()
  const held: (() => void)[] = []
  // No connection answers before all have come, so that none is shared.
  const backend = await greetedBackend((socket, header) => {
    held.push(() => serve(socket, header))
    if (held.length === 5) for (const go of held) go()
  })
  const { port } = await gateway('http', backend, { proxyProtocol: 'v1' }, { http: ['2'] })
  const session = connectHttp2(`http://127.0.0.1:${port('in')}`)
  onTestFinished(() => session.destroy())
  const bodies = await Promise.all(
    Array.from({ length: 5 }, async () => {
      let text = ''
      for await (const chunk of session.request({ ':path': '/' })) text += String(chunk)
      return JSON.parse(text) as unknown
    }),
  )
  const ends = endsOf(session.socket as Socket, port('in'))
  expect(bodies).toEqual(Array.from({ length: 5 }, () => ({ ends })))
  expect(backend.headers.length).toBe(5)
  session.close()
  await until('no connection', () => backend.sockets.size === 0)
})

test.each([
  ['HTTP/2, with prior knowledge', '2', undefined],
  ['HTTP/2 over TLS', '2', ['h2']],
  ['what the backend speaks: HTTP/2', 'auto', ['h2']],
  ['what the backend speaks: HTTP/1.1', 'auto', ['http/1.1']],
] as const)('an upstream of %s', async (_name, http, protocols) => {
  const version = protocols?.[0] === 'http/1.1' ? '1.1' : '2'
  const serve = tellRequests(version)
  const backend = await greetedBackend(
    protocols === undefined ? serve : overTls({ ...serverTls, ALPNProtocols: [...protocols] }, serve),
  )
  const tls = protocols === undefined ? {} : { tls: { ca: 'ca.crt' } }
  const { port } = await gateway('http', backend, { proxyProtocol: 'v2', http, ...tls })
  const [one, two] = [newAgent({ keepAlive: true }), newAgent({ keepAlive: true })]
  for (const agent of [one, one, two]) {
    const { told, socket } = await get(port('in'), agent)
    expect(told).toEqual({ ends: endsOf(socket, port('in')) })
  }
  expect(backend.headers.length).toBe(2)
  one.destroy()
  two.destroy()
  await until('no connection', () => backend.sockets.size === 0)
})

test.each([
  ['tcp', 'v1', {}],
  ['tcp', 'v2', {}],
  ['http', 'v1', { path: '/' }],
  ['http', 'v2', { path: '/' }],
])('probes of %s by %s speak for the gateway itself', async (protocol, proxyProtocol, how) => {
  const backend = await greetedBackend(protocol === 'tcp' ? tell : tellRequests())
  const health = { interval: '100ms', timeout: '2s', rise: 1, fall: 1, ...how }
  const { record, log } = await gateway(protocol, backend, { proxyProtocol, health })
  await until('two probes', () => backend.headers.length >= 2)
  expect(backend.headers[0]).toEqual({ ends: undefined, tls: undefined })
  const expected = proxyProtocol === 'v1' ? 'PROXY UNKNOWN\r\n' : '\r\n\r\n\0\r\nQUIT\n \0\0\0'
  expect(backend.raw[0]!.toString('latin1')).toBe(expected)
  expect(log.filter(({ msg }) => String(msg).includes('unhealthy'))).toEqual([])
  void record
})

test('a backend that a reload removes keeps no connection for a client that stays', async () => {
  const [old, next] = await Promise.all([greetedBackend(tellRequests('2')), greetedBackend(tellRequests('2'))])
  const upstream = { proxyProtocol: 'v2', http: '2' }
  const { port, reload } = await gateway('http', old, upstream)
  const agent = newAgent({ keepAlive: true })
  const { socket } = await get(port('in'), agent)
  await reload(configOf('http', next, upstream))
  await until('the old connection gone', () => old.sockets.size === 0)
  expect((await get(port('in'), agent)).socket).toBe(socket)
  expect(next.sockets.size).toBe(1)
  agent.destroy()
})

test('a reload that begins to name clients uses no older connection', async () => {
  const backend = await greetedBackend(tellRequests())
  const { port, reload } = await gateway('http', backend, { proxyProtocol: 'v1' })
  const agent = newAgent({ keepAlive: true })
  await get(port('in'), agent)
  await reload(configOf('http', backend, { proxyProtocol: 'v2' }))
  const { told, socket } = await get(port('in'), agent)
  expect(told).toEqual({ ends: endsOf(socket, port('in')) })
  expect(backend.raw.map((bytes) => bytes[0])).toEqual([0x50, 0x0d])
  agent.destroy()
})
