import { connect as connectHttp2 } from 'node:http2'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { writeProxyHeader } from '../../core/net/write-proxy-header.ts'
import { httpBackend, tcpBackend } from '../helpers/backend.ts'
import { drained, open } from '../helpers/client.ts'
import { type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { createAuthority } from '../tls/certificates.ts'
import { helloOf } from '../tls/client.ts'

const authority = createAuthority()
const server = authority.issue({ names: ['localhost'] })
const files = { 'web.crt': server.chain, 'web.key': server.key, 'plugins/seen/index.ts': seen() }
const tls: Json = { certificates: [{ cert: 'web.crt', key: 'web.key' }] }
const mine: Json = { from: ['127.0.0.0/8'] }

/** Adds what a policy sees of the ends of a connection, and refuses one client. */
function seen(): string {
  return `
import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'seen',
  reads: ['client.ip', 'client.port', 'peer.ip'],
  writes: ['header:x-seen'],
  onConnect({ client }) {
    if (client.ip === '203.0.113.66') return reply(403)
  },
  onRequest({ client, connection, request }) {
    request.setHeader('x-seen', client.ip + ' ' + client.port + ' ' + connection.peer.ip)
  },
})`
}

const client = { address: '203.0.113.9', port: 51_413 }
const destination = { address: '198.51.100.1', port: 443 }
const header = (version: 'v1' | 'v2'): Buffer =>
  writeProxyHeader(version, { source: client, destination, tls: undefined })

/** Answers with the fields that tell of the client. */
function web(): Promise<{ port: number }> {
  return httpBackend(({ headers }, response) => {
    const names = ['x-forwarded-for', 'x-forwarded-port', 'x-forwarded-proto', 'x-real-ip', 'x-seen']
    response.end(JSON.stringify(names.map((name) => headers[name])))
  })
}

const fields = ['203.0.113.9', '443', 'http', '203.0.113.9', '203.0.113.9 51413 127.0.0.1']
const request = 'GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'

async function gateway(
  listeners: { [name: string]: { [key: string]: Json } },
  policies: Json = ['p'],
): Promise<TestGateway> {
  const backends: Json = { L7: [{ address: `127.0.0.1:${(await web()).port}` }], L4: [] }
  const echo = await tcpBackend((socket) => void socket.pipe(socket))
  const layerOf = ({ protocol }: { [key: string]: Json }): 'L4' | 'L7' =>
    protocol === 'tcp' || protocol === 'tls' ? 'L4' : 'L7'
  const names = Object.keys(listeners)
  return startInProcess(
    {
      listeners: Object.fromEntries(
        names.map((name) => [
          name,
          {
            address: '127.0.0.1',
            port: 0,
            proxyProtocol: mine,
            ...(layerOf(listeners[name]!) === 'L7' && { policies }),
            ...listeners[name],
          },
        ]),
      ),
      routes: Object.fromEntries(names.map((name) => [name, { listener: name, upstream: layerOf(listeners[name]!) }])),
      upstreams: {
        L7: { backends: (backends as { L7: Json }).L7, health: false },
        L4: { protocol: 'tcp', backends: [{ address: `127.0.0.1:${echo.port}` }], health: false },
      },
      policies: { p: { plugin: 'seen' } },
    },
    files,
  )
}

/** Sends pieces one by one, and gives back all that comes until the connection ends. */
async function pieces(port: number, list: readonly (Buffer | string)[]): Promise<string> {
  const socket = await open(port)
  const answer = drained(socket)
  for (const piece of list) {
    socket.write(piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return answer
}

/** What comes first. */
function firstOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('data', (bytes: Buffer) => resolve(bytes.toString('latin1')))
    socket.once('close', () => resolve(''))
  })
}

/** Whether a connection is refused before or after its first bytes. */
async function isRefused(port: number, bytes: Buffer | string): Promise<boolean> {
  const answer = await pieces(port, [bytes]).catch((error: NodeJS.ErrnoException) => error.code)
  return answer === '' || answer === 'ECONNRESET'
}

const body = (answer: string): unknown => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))

test('an http listener: the named address is that of the client, and the socket that of the peer', async () => {
  const { port, record } = await gateway({ web: { protocol: 'http' } })
  for (const version of ['v1', 'v2'] as const) {
    const all = Buffer.concat([header(version), Buffer.from(request)])
    expect(body(await pieces(port('web'), [all]))).toEqual(fields)
  }
  const line = await record(({ msg }) => msg === 'request')
  expect(line).toMatchObject({ client: '203.0.113.9', peer: '127.0.0.1', status: 200 })
})

test('every split of header and request', async () => {
  const { port } = await gateway({ web: { protocol: 'http' } })
  for (const version of ['v1', 'v2'] as const) {
    const all = Buffer.concat([header(version), Buffer.from(request)])
    const cuts = Array.from({ length: all.length - 1 }, (_, index) => index + 1)
    const answers = await Promise.all(cuts.map((at) => pieces(port('web'), [all.subarray(0, at), all.subarray(at)])))
    expect(new Set(answers.map((answer) => JSON.stringify(body(answer))))).toEqual(new Set([JSON.stringify(fields)]))
    expect(
      body(
        await pieces(
          port('web'),
          Array.from(all, (byte) => Buffer.of(byte)),
        ),
      ),
    ).toEqual(fields)
  }
})

test('a tcp listener passes on what follows the header, an end included', async () => {
  const { port, record } = await gateway({ db: { protocol: 'tcp' } })
  const socket = await open(port('db'))
  const answer = drained(socket)
  socket.end(Buffer.concat([header('v2'), Buffer.from('hello'), header('v1')]))
  // A second header is bytes of the client.
  expect(await answer).toBe(`hello${header('v1').toString()}`)
  expect(await record(({ msg }) => msg === 'connection')).toMatchObject({ client: '203.0.113.9', outcome: '' })
})

test('every split of header and ClientHello, before TLS that ends here and TLS that is passed on', async () => {
  const { port } = await gateway({ ended: { protocol: 'tls', tls }, passed: { protocol: 'tcp' } })
  const hello = await helloOf({ servername: 'localhost' })
  const all = Buffer.concat([header('v2'), hello])
  const cuts = Array.from({ length: all.length - 1 }, (_, index) => index + 1)
  // Around the header, and in steps through the ClientHello.
  const chosen = cuts.filter((at) => at < header('v2').length + 12 || at % 16 === 0)
  for (const [name, first] of [
    ['ended', /^\x16\x03\x03/],
    ['passed', /^\x16\x03\x01/],
  ] as const) {
    const answers = await Promise.all(
      chosen.map(async (at) => {
        const socket = await open(port(name))
        const answer = firstOf(socket)
        socket.write(all.subarray(0, at))
        await new Promise((resolve) => setImmediate(resolve))
        socket.write(all.subarray(at))
        return answer
      }),
    )
    expect(answers.filter((answer) => !first.test(answer))).toEqual([])
  }
})

test('PostgreSQL: the header, the request for TLS, the handshake', async () => {
  const { port } = await gateway({ db: { protocol: 'tls', tls: { ...(tls as object), starttls: 'postgres' } } })
  const socket = await open(port('db'))
  socket.write(Buffer.concat([header('v1'), Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])]))
  expect(await firstOf(socket)).toBe('S')
  const answer = firstOf(socket)
  socket.write(await helloOf({ servername: 'localhost' }))
  expect(await answer).toMatch(/^\x16\x03\x03/)
})

test.each(['https', 'tls'])('%s: the header comes before the handshake', async (protocol) => {
  const { port, record } = await gateway({ in: { protocol, tls } })
  const answer = await new Promise<string>((resolve, reject) => {
    void open(port('in')).then((plain) => {
      plain.write(header('v2'))
      const socket = connectTls({ socket: plain, ca: authority.ca, servername: 'localhost' })
      onTestFinished(() => void socket.destroy())
      let text = ''
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString()
        if (protocol === 'tls') socket.end()
      })
      socket.on('error', reject)
      socket.on('end', () => resolve(text))
      socket.on('close', () => resolve(text))
      socket.write(request)
    })
  })
  if (protocol === 'tls') expect(answer).toBe(request)
  else expect(body(answer)).toEqual(fields.with(2, 'https'))
  const line = await record(({ msg }) => msg === (protocol === 'tls' ? 'connection' : 'request'))
  expect(line).toMatchObject({ client: '203.0.113.9', tls: { serverName: 'localhost' } })
})

test('HTTP/2 with prior knowledge behind the header', async () => {
  const { port } = await gateway({ web: { protocol: 'http', http: ['1.1', '2'] } })
  const socket = await open(port('web'))
  socket.write(header('v2'))
  const session = connectHttp2('http://localhost', { createConnection: () => socket })
  onTestFinished(() => session.destroy())
  const stream = session.request({ ':path': '/' })
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  expect(JSON.parse(text)).toEqual(fields)
})

test('LOCAL and UNKNOWN: the peer is the client', async () => {
  const { port } = await gateway({ web: { protocol: 'http' } })
  for (const version of ['v1', 'v2'] as const) {
    const all = Buffer.concat([writeProxyHeader(version, undefined), Buffer.from(request)])
    const [forwardedFor, , , real] = body(await pieces(port('web'), [all])) as string[]
    expect([forwardedFor, real]).toEqual(['127.0.0.1', '127.0.0.1'])
  }
})

test('trustedProxies are judged by the named address', async () => {
  const { port } = await gateway({
    trusting: { protocol: 'http', trustedProxies: ['203.0.113.0/24'] },
    wary: { protocol: 'http', trustedProxies: ['127.0.0.0/8'] },
  })
  const all = Buffer.concat([
    header('v1'),
    Buffer.from(request.replace('\r\n\r\n', '\r\nx-forwarded-for: 192.0.2.7\r\n\r\n')),
  ])
  expect(body(await pieces(port('trusting'), [all]))).toMatchObject({ 0: '192.0.2.7, 203.0.113.9', 3: '192.0.2.7' })
  expect(body(await pieces(port('wary'), [all]))).toMatchObject({ 0: '203.0.113.9', 3: '203.0.113.9' })
})

test('what the proxy says of TLS counts as the scheme of the client', async () => {
  const { port } = await gateway({ web: { protocol: 'http' } })
  const facts = { serverName: 'localhost', alpn: undefined, version: '1.3', cipher: undefined, client: undefined }
  const greeting = writeProxyHeader('v2', { source: client, destination, tls: facts })
  expect(body(await pieces(port('web'), [greeting, request]))).toEqual(fields.with(2, 'https'))
})

test('policies are asked about the named address when the connection is opened', async () => {
  const { port } = await gateway({ web: { protocol: 'http' } })
  const refused = writeProxyHeader('v2', { source: { address: '203.0.113.66', port: 1 }, destination, tls: undefined })
  expect(await pieces(port('web'), [refused, request])).toMatch(/^HTTP\/1.1 403 /)
})

const refusals = [
  ['a request without a header', request, 'the connection does not begin with a PROXY protocol header'],
  [
    'a ClientHello without a header',
    Buffer.from('16030100c8010000c40303', 'hex'),
    'the connection does not begin with a PROXY protocol header',
  ],
  [
    'a header with a lying length',
    Buffer.from('0d0a0d0a000d0a515549540a2111ffff', 'hex'),
    'the PROXY protocol header has 65551 bytes, and the limit is 4096 bytes',
  ],
  [
    'a header of version 1 that does not end',
    `PROXY TCP4 ${'1'.repeat(200)}`,
    'a PROXY protocol header of version 1 is longer than 107 bytes',
  ],
  [
    'a header about datagrams',
    Buffer.from('0d0a0d0a000d0a515549540a2112000ccb007109c6336401c8d501bb', 'hex'),
    'the PROXY protocol header is about datagrams, and this is a connection',
  ],
] as const

test('what is no header, or a wrong one, is refused on every protocol', async () => {
  const protocols = ['http', 'https', 'tcp', 'tls']
  const listeners = protocols.map((protocol) => [
    protocol,
    protocol === 'https' || protocol === 'tls' ? { protocol, tls } : { protocol },
  ])
  const { port, log } = await gateway(Object.fromEntries(listeners) as { [name: string]: { [key: string]: Json } })
  for (const protocol of protocols) {
    const msg = protocol === 'https' || protocol === 'tls' ? 'handshake' : 'connection'
    const records = (): typeof log => log.filter(({ listener }) => listener === protocol)
    for (const [index, [what, bytes, cause]] of refusals.entries()) {
      expect(await isRefused(port(protocol), bytes), what).toBe(true)
      await until('a record', () => records().length > index)
      expect(records()[index], what).toMatchObject({ msg, client: '127.0.0.1', outcome: 'DPE', cause })
    }
  }
})

test('routes by source go by the named address', async () => {
  const [near, far] = await Promise.all(['near', 'far'].map((name) => tcpBackend((socket) => void socket.end(name))))
  const upstream = ({ port }: { port: number }): Json => ({
    protocol: 'tcp',
    backends: [{ address: `127.0.0.1:${port}` }],
    health: false,
  })
  const { port } = await startInProcess({
    listeners: { db: { protocol: 'tcp', address: '127.0.0.1', port: 0, proxyProtocol: mine } },
    routes: {
      near: { listener: 'db', upstream: 'near', match: { source: ['203.0.113.0/24'] } },
      far: { listener: 'db', upstream: 'far' },
    },
    upstreams: { near: upstream(near!), far: upstream(far!) },
  })
  expect(await pieces(port('db'), [header('v2')])).toBe('near')
  expect(await pieces(port('db'), [writeProxyHeader('v2', undefined)])).toBe('far')
})

test('strangers are refused, or read plainly', async () => {
  const from = ['192.0.2.0/24', 'unix']
  const { port, record } = await gateway({
    strict: { protocol: 'http', proxyProtocol: { from } },
    open: { protocol: 'http', proxyProtocol: { from, required: false } },
    raw: { protocol: 'tcp', proxyProtocol: { from, required: false } },
  })
  expect(await isRefused(port('strict'), request)).toBe(true)
  expect(await isRefused(port('strict'), Buffer.concat([header('v2'), Buffer.from(request)]))).toBe(true)
  const cause = 'the peer is not among those that "proxyProtocol" of this listener takes connections from'
  expect(await record(({ listener }) => listener === 'strict')).toMatchObject({
    client: '127.0.0.1',
    outcome: 'DPE',
    cause,
  })
  expect(body(await pieces(port('open'), [request]))).toMatchObject({ 0: '127.0.0.1' })
  // Their header is bytes like any others: no request.
  expect(await pieces(port('open'), [header('v1'), request])).toMatch(/^HTTP\/1.1 400 /)
  const socket = await open(port('raw'))
  const answer = drained(socket)
  socket.end(header('v1'))
  expect(await answer).toBe(header('v1').toString())
})

test('a proxy that sends no header in time is told of, also when it is silent; one that leaves silently is not', async () => {
  const { port, record, log } = await gateway({
    web: { protocol: 'http', timeouts: { head: '200ms' } },
    db: { protocol: 'tcp', timeouts: { handshake: '200ms' } },
  })
  const left = await open(port('db'))
  left.destroy()
  const sockets: Socket[] = [await open(port('web')), await open(port('db'))]
  sockets[0]!.write('PROXY ')
  const ends = sockets.map(drained)
  const cause = 'the peer did not send a PROXY protocol header in time'
  for (const name of ['web', 'db']) {
    expect(await record(({ listener }) => listener === name)).toMatchObject({ outcome: 'CI', cause })
  }
  expect(await Promise.all(ends)).toEqual(['', ''])
  expect(log.filter(({ outcome }) => outcome === 'DC')).toEqual([])
})

test('a reload changes who is believed, and leaves connections alone', async () => {
  const { port, reload, folder } = await gateway({ db: { protocol: 'tcp' } })
  const socket = await open(port('db'))
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  socket.write(Buffer.concat([header('v2'), Buffer.from('one')]))
  await until('an echo', () => text === 'one')
  const { readFileSync } = await import('node:fs')
  const config = JSON.parse(readFileSync(`${folder}/gateway.json`, 'utf8')) as {
    listeners: { db: { proxyProtocol: Json } }
  }
  config.listeners.db.proxyProtocol = { from: ['192.0.2.1'] }
  await reload(config as unknown as Json)
  socket.write('two')
  await until('another', () => text === 'onetwo')
  expect(await isRefused(port('db'), header('v2'))).toBe(true)
})
