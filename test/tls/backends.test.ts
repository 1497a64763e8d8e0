import { connect as connectTcp, type Socket } from 'node:net'
import type { TLSSocket, TlsOptions } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { deadPort, httpBackend, httpsBackend, type TestBackend, tcpBackend, tlsBackend } from '../helpers/backend.ts'
import { drained, open, send } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { createAuthority, type Issued, selfSigned } from './certificates.ts'

const ca = createAuthority()
const other = createAuthority('Another CA')
const leaf = ca.issue()

const files = { 'ca.pem': ca.cert, 'other.pem': other.cert }
const verified = { ca: 'ca.pem' }

/** What a server shows. */
function shown({ chain: cert, key }: Issued): TlsOptions {
  return { cert, key }
}

/** An HTTP gateway in front of backends with these addresses. */
function gatewayTo(
  addresses: readonly string[],
  tls: Json,
  upstream: { [name: string]: Json } = {},
): Promise<TestGateway> {
  return startInProcess(configOf(addresses, tls, upstream), files)
}

function configOf(addresses: readonly string[], tls: Json, upstream: { [name: string]: Json } = {}): Json {
  const backends = addresses.map((address) => ({ address }))
  return httpConfig([], { upstreams: { app: { backends, tls, ...upstream } } })
}

/** A backend that says over what it was asked. */
function sayingBackend(options: TlsOptions = shown(leaf), close = false): Promise<TestBackend> {
  return httpsBackend(options, (request, response) => {
    const { servername, alpnProtocol } = request.socket as TLSSocket & { servername: string | false }
    const isReused = (request.socket as TLSSocket).isSessionReused()
    if (close) response.setHeader('connection', 'close')
    response.end(JSON.stringify({ servername, alpn: alpnProtocol, isReused, url: request.url }))
  })
}

async function failureOf(gateway: TestGateway): Promise<[status: number, outcome: unknown, cause: unknown]> {
  const { status } = await send(gateway.port('web'), '/')
  const { outcome, cause } = await gateway.record(({ msg }) => msg === 'request')
  return [status, outcome, cause]
}

describe('requests to backends over TLS', () => {
  test('name the host of the address, and offer HTTP/1.1', async () => {
    const { port } = await sayingBackend({ ...shown(leaf), ALPNProtocols: ['h2', 'http/1.1'] })
    const gateway = await gatewayTo([`localhost:${port}`], verified)
    const { body } = await send(gateway.port('web'), '/a?b')
    expect(JSON.parse(body)).toEqual({ servername: 'localhost', alpn: 'http/1.1', isReused: false, url: '/a?b' })
  })

  test('name no IP address, which the certificate must have nevertheless', async () => {
    const { port } = await sayingBackend()
    const gateway = await gatewayTo([`127.0.0.1:${port}`], verified)
    expect((await send(gateway.port('web'), '/')).json()).toMatchObject({ servername: false })
    const named = await sayingBackend(shown(ca.issue({ names: ['localhost'] })))
    const failing = await gatewayTo([`127.0.0.1:${named.port}`], verified)
    const [status, outcome, cause] = await failureOf(failing)
    expect([status, outcome]).toEqual([502, 'UF'])
    expect(cause).toMatch(/its certificate is for another name: IP: 127\.0\.0\.1 is not in/)
  })

  test('name what `serverName` says, and verify that', async () => {
    const { port } = await sayingBackend(shown(ca.issue({ names: ['app.internal'] })))
    const gateway = await gatewayTo([`127.0.0.1:${port}`], { ...verified, serverName: 'App.Internal' })
    expect((await send(gateway.port('web'), '/')).json()).toMatchObject({ servername: 'app.internal' })
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('resume the last session of %s on new connections', async (maxVersion) => {
    const { port } = await sayingBackend({ ...shown(leaf), maxVersion }, true)
    const gateway = await gatewayTo([`127.0.0.1:${port}`], verified)
    const isReused = async (): Promise<unknown> => (await send(gateway.port('web'), '/')).json().isReused
    expect([await isReused(), await isReused(), await isReused()]).toEqual([false, true, true])
  })

  test('share a kept connection', async () => {
    let connections = 0
    const { port } = await httpsBackend(shown(leaf), (request, response) => {
      if (request.url === '/0') connections++
      response.end()
    })
    const gateway = await gatewayTo([`127.0.0.1:${port}`], verified)
    for (let i = 0; i < 5; i++) await send(gateway.port('web'), `/${i}`)
    expect(connections).toBe(1)
  })

  test('go on after an upgrade, both ways', async () => {
    const { port } = await tlsBackend(shown(leaf), (socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
        socket.pipe(socket)
      })
    })
    const gateway = await gatewayTo([`127.0.0.1:${port}`], verified)
    const client = await open(gateway.port('web'))
    const all = drained(client)
    client.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
    await new Promise((resolve) => client.once('data', resolve))
    client.end('hello')
    expect(await all).toMatch(/^HTTP\/1\.1 101 [\s\S]*\r\n\r\nhello$/)
  })

  test('a large body comes whole, both ways', async () => {
    const body = Buffer.alloc(3_000_000, 'abcdefghij')
    const { port } = await httpsBackend(shown(leaf), (request, response) => void request.pipe(response))
    const gateway = await gatewayTo([`127.0.0.1:${port}`], verified)
    const answer = await send(gateway.port('web'), '/', { method: 'POST', body })
    expect(answer.body === body.toString()).toBe(true)
  })
})

describe('a backend that does not verify', () => {
  const loopback = { names: ['127.0.0.1', 'localhost'] }
  const past = new Date(Date.now() - 60_000)
  const cases: Readonly<Record<string, readonly [shows: Issued, cause: RegExp]>> = {
    expired: [ca.issue({ ...loopback, to: past }), /certificate has expired \(CERT_HAS_EXPIRED\)$/],
    'not yet valid': [ca.issue({ ...loopback, from: new Date(Date.now() + 60_000) }), /certificate is not yet valid/],
    'self-signed': [selfSigned(loopback), /self-signed certificate \(DEPTH_ZERO_SELF_SIGNED_CERT\)$/],
    'of an unknown authority': [other.issue(loopback), /unable to verify the first certificate/],
    'for another name': [ca.issue({ names: ['b.example'] }), /its certificate is for another name/],
    'only for clients': [ca.issue({ ...loopback, usage: 'client' }), /unsuitable certificate purpose/],
    'with a long list of names': [
      ca.issue({ names: Array.from({ length: 200 }, (_, i) => `n${i}.example`) }),
      /^.{1,300}…$/,
    ],
  }

  test.each(Object.entries(cases))('%s: UF with the words of the verifier', async (_what, [certificate, cause]) => {
    const { port } = await sayingBackend(shown(certificate))
    const gateway = await gatewayTo([`localhost:${port}`], verified)
    const [status, outcome, said] = await failureOf(gateway)
    expect([status, outcome]).toEqual([502, 'UF'])
    expect(said).toMatch(cause)
    expect(said).toMatch(new RegExp(`^localhost:${port}: TLS handshake failed: `))
  })

  test('without `ca`, for Node does not trust the authority', async () => {
    const { port } = await sayingBackend()
    const gateway = await gatewayTo([`127.0.0.1:${port}`], true)
    expect(await failureOf(gateway)).toMatchObject([502, 'UF', expect.stringMatching(/unable to verify/)])
  })

  test('is taken after all with `verify: false`, which is warned of', async () => {
    const { port } = await sayingBackend(shown(selfSigned({ names: ['x'] })))
    const gateway = await gatewayTo([`127.0.0.1:${port}`], { verify: false })
    expect((await send(gateway.port('web'), '/')).status).toBe(200)
    expect(JSON.stringify(gateway.log)).toContain('are not verified')
  })

  test('is one less to try: the next one gets the request', async () => {
    const bad = await sayingBackend(shown(selfSigned(loopback)))
    const good = await sayingBackend()
    const gateway = await gatewayTo([`127.0.0.1:${bad.port}`, `127.0.0.1:${good.port}`], verified)
    for (let i = 0; i < 4; i++) expect((await send(gateway.port('web'), '/')).status).toBe(200)
  })
})

describe('a backend that does not speak TLS, or not this one', () => {
  const answers: Readonly<Record<string, readonly [does: (socket: Socket) => void, cause: RegExp]>> = {
    'HTTP in clear': [
      (socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
      /the backend does not speak TLS on this port/,
    ],
    'a greeting in clear': [(socket) => void socket.write('SSH-2.0-x\r\n'), /does not speak TLS on this port/],
    'an end': [(socket) => socket.once('data', () => socket.end()), /the backend closed the connection/],
    'a reset': [
      (socket) => socket.once('data', () => socket.resetAndDestroy()),
      /closed the connection \(ECONNRESET\)/,
    ],
  }

  test.each(Object.entries(answers))('%s: UF', async (_what, [does, cause]) => {
    const { port } = await tcpBackend((socket) => void does(socket))
    const gateway = await gatewayTo([`127.0.0.1:${port}`], verified)
    expect(await failureOf(gateway)).toMatchObject([502, 'UF', expect.stringMatching(cause)])
  })

  test('nobody there: the words of a connection without TLS', async () => {
    const gateway = await gatewayTo([`127.0.0.1:${await deadPort()}`], verified)
    expect(await failureOf(gateway)).toMatchObject([502, 'UF', expect.stringMatching(/cannot connect: ECONNREFUSED/)])
  })

  test('silence: UF with 504 when `timeouts.connect` is over, and the connection is closed', async () => {
    const { port, sockets } = await tcpBackend((socket) => void socket.resume().on('end', () => socket.end()))
    const gateway = await gatewayTo([`127.0.0.1:${port}`], verified, { timeouts: { connect: '100ms' } })
    const [status, outcome, cause] = await failureOf(gateway)
    expect([status, outcome]).toEqual([504, 'UF'])
    expect(cause).toMatch(/no TLS handshake within 100 ms/)
    await until('the close', () => sockets.size === 0)
  })

  test('a client that leaves ends the handshake', async () => {
    const { port, sockets } = await tcpBackend((socket) => void socket.resume().on('end', () => socket.end()))
    const gateway = await gatewayTo([`127.0.0.1:${port}`], verified, { timeouts: { connect: '60s' } })
    const client = await open(gateway.port('web'))
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await until('the connection', () => sockets.size === 1)
    client.destroy()
    await until('its end', () => sockets.size === 0)
  })

  test('an older version than `minVersion`: the alert', async () => {
    const { port } = await sayingBackend({ ...shown(leaf), maxVersion: 'TLSv1.2' })
    const gateway = await gatewayTo([`127.0.0.1:${port}`], { ...verified, minVersion: '1.3' })
    const alert = expect.stringMatching(/the backend sent the alert "protocol version"/)
    expect(await failureOf(gateway)).toMatchObject([502, 'UF', alert])
  })
})

describe('a backend that asks for a certificate', () => {
  const own = ca.issue({ names: ['gateway.internal'], usage: 'client' })
  const asking = { ...shown(leaf), requestCert: true, ca: ca.cert }
  const withOwn = { ...verified, cert: 'own.pem', key: 'own.key' }

  function start(port: number, tls: Json, upstream: { [name: string]: Json } = {}): Promise<TestGateway> {
    const more = { ...files, 'own.pem': own.chain, 'own.key': own.key }
    return startInProcess(configOf([`127.0.0.1:${port}`], tls, upstream), more)
  }

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('gets that of the gateway, with %s', async (maxVersion) => {
    const { port } = await httpsBackend({ ...asking, maxVersion }, (request, response) => {
      response.end((request.socket as TLSSocket).getPeerCertificate().subject.CN)
    })
    const gateway = await start(port, withOwn)
    expect((await send(gateway.port('web'), '/')).body).toBe('gateway.internal')
  })

  test.each([
    ['TLSv1.2', /the backend sent the alert "handshake failure"/],
    // The handshake is over on this side before the backend has judged it.
    ['TLSv1.3', /the backend refused the TLS handshake with the alert "certificate required"/],
  ] as const)('and gets none: UF with %s', async (maxVersion, cause) => {
    const { port } = await sayingBackend({ ...asking, maxVersion })
    const gateway = await start(port, verified)
    expect(await failureOf(gateway)).toMatchObject([502, 'UF', expect.stringMatching(cause)])
  })

  test('and refuses it has read nothing: the next backend gets the request, whatever its method', async () => {
    const strict = await sayingBackend(asking)
    const good = await sayingBackend()
    const gateway = await gatewayTo([`127.0.0.1:${strict.port}`, `127.0.0.1:${good.port}`], verified)
    for (let i = 0; i < 4; i++) {
      const answer = await send(gateway.port('web'), '/', { method: 'POST', headers: { 'content-length': 0 } })
      expect(answer.status).toBe(200)
    }
  })

  test('is down for its probes, too', async () => {
    const { port } = await sayingBackend(asking)
    for (const health of [{ interval: '20ms' }, { interval: '20ms', path: '/' }]) {
      const gateway = await start(port, verified, { health })
      const { why } = await gateway.record(({ msg }) => msg === 'backend down')
      expect(why).toMatch(/the backend refused the TLS handshake with the alert "certificate required"/)
    }
  })
})

describe('probes', () => {
  test.each([{ interval: '20ms', path: '/healthz' }, { interval: '20ms' }])('go over TLS: %o', async (health) => {
    const seen: unknown[] = []
    const good = await httpsBackend(shown(leaf), (request, response) => {
      seen.push(request.url)
      response.end()
    })
    const bad = await sayingBackend(shown(ca.issue({ to: new Date(Date.now() - 1_000) })))
    const gateway = await gatewayTo([`127.0.0.1:${good.port}`, `127.0.0.1:${bad.port}`], verified, { health })
    const { why, backend } = await gateway.record(({ msg }) => msg === 'backend down')
    expect([why, backend]).toEqual([
      'TLS handshake failed: certificate has expired (CERT_HAS_EXPIRED)',
      `127.0.0.1:${bad.port}`,
    ])
    if ('path' in health) await until('a probe', () => seen.includes('/healthz'))
    expect(gateway.log.filter(({ msg }) => msg === 'backend down')).toHaveLength(1)
  })

  test('of checkHealth reach the backend with the same settings', async () => {
    const plugin = `
      import { definePlugin } from 'postern/sdk'
      export default definePlugin({
        name: 'asks',
        needs: ['fetch'],
        async checkHealth({ backend, fetch }) {
          const answer = await fetch('https://' + backend.address + '/status')
          return { healthy: false, why: 'it says ' + await answer.text() }
        },
      })`
    const { port } = await httpsBackend(shown(ca.issue({ names: ['app.internal'] })), (request, response) => {
      response.end(String((request.socket as TLSSocket & { servername: string }).servername))
    })
    const tls = { ...verified, serverName: 'app.internal' }
    const config = httpConfig([], {
      upstreams: {
        app: { backends: [{ address: `127.0.0.1:${port}` }], tls, health: { interval: '20ms' }, policies: ['asks'] },
      },
      policies: { asks: { plugin: 'asks' } },
    })
    const gateway = await startInProcess(config, { ...files, 'plugins/asks/index.ts': plugin })
    const { why } = await gateway.record(({ msg }) => msg === 'backend down')
    expect(why).toBe('it says app.internal')
  })
})

describe('a reload', () => {
  /** Connections, and whether each has resumed a session. */
  async function counted(): Promise<{ readonly port: number; readonly handshakes: boolean[] }> {
    const handshakes: boolean[] = []
    const seen = new WeakSet<object>()
    const { port } = await httpsBackend(shown(leaf), (request, response) => {
      const socket = request.socket as TLSSocket
      if (!seen.has(socket)) handshakes.push(socket.isSessionReused())
      seen.add(socket)
      if (request.url === '/close') response.setHeader('connection', 'close')
      response.end()
    })
    return { port, handshakes }
  }

  test('with the same settings keeps the connections and the session', async () => {
    const { port, handshakes } = await counted()
    const address = [`127.0.0.1:${port}`]
    const gateway = await gatewayTo(address, verified)
    await send(gateway.port('web'), '/')
    await gateway.reload(configOf(address, verified, { balance: 'least-connections' }))
    await send(gateway.port('web'), '/close')
    expect(handshakes).toEqual([false])
    await gateway.reload(configOf(address, verified))
    await send(gateway.port('web'), '/')
    expect(handshakes).toEqual([false, true])
  })

  test('with stricter settings uses neither what was made before', async () => {
    const { port, handshakes } = await counted()
    const address = [`127.0.0.1:${port}`]
    const gateway = await gatewayTo(address, { verify: false })
    await send(gateway.port('web'), '/')
    expect(handshakes).toEqual([false])
    await gateway.reload(configOf(address, { ca: 'other.pem' }))
    expect((await send(gateway.port('web'), '/')).status).toBe(502)
    await gateway.reload(configOf(address, verified))
    expect((await send(gateway.port('web'), '/')).status).toBe(200)
    expect(handshakes).toEqual([false, false])
  })

  test('from and to no TLS at all uses neither what was made before', async () => {
    const { port } = await httpBackend((_request, response) => void response.end('clear'))
    const address = [`127.0.0.1:${port}`]
    const gateway = await startInProcess(httpConfig([port]), files)
    expect((await send(gateway.port('web'), '/')).body).toBe('clear')
    await gateway.reload(configOf(address, verified))
    expect((await send(gateway.port('web'), '/')).status).toBe(502)
    await gateway.reload(httpConfig([port]))
    expect((await send(gateway.port('web'), '/')).body).toBe('clear')
  })
})

describe('connections (L4) to backends over TLS', () => {
  function start(port: number, tls: Json): Promise<TestGateway> {
    const config: Json = {
      listeners: { database: { protocol: 'tcp', address: '127.0.0.1', port: 0 } },
      routes: { all: { listener: 'database', upstream: 'database' } },
      upstreams: { database: { protocol: 'tcp', backends: [{ address: `127.0.0.1:${port}` }], tls, health: false } },
    }
    return startInProcess(config, files)
  }

  test('are encrypted, both ways, each to its end', async () => {
    const { port } = await tlsBackend(shown(leaf), (socket) => {
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk.toString()
      })
      socket.on('end', () => socket.end(text.toUpperCase()))
    })
    const gateway = await start(port, verified)
    const client = await open(gateway.port('database'))
    const all = drained(client)
    const text = 'some words '.repeat(50_000)
    client.end(text)
    expect((await all) === text.toUpperCase()).toBe(true)
    expect(await gateway.record(({ msg }) => msg === 'connection')).toMatchObject({ outcome: '' })
  })

  test('a backend that does not verify gets no byte: UF', async () => {
    const got: string[] = []
    const { port } = await tlsBackend(shown(other.issue()), (socket) => {
      socket.on('data', (chunk) => got.push(chunk.toString()))
    })
    const gateway = await start(port, verified)
    const client = connectTcp(gateway.port('database'), '127.0.0.1')
    client.on('error', () => {})
    client.write('secret')
    await new Promise((resolve) => client.once('close', resolve))
    const { outcome, cause } = await gateway.record(({ msg }) => msg === 'connection')
    expect([outcome, cause]).toEqual(['UF', expect.stringMatching(/unable to verify the first certificate/)])
    expect(got).toEqual([])
  })

  test('one that refuses the certificate of the gateway after its handshake: UF', async () => {
    const { port } = await tlsBackend({ ...shown(leaf), requestCert: true, ca: ca.cert }, () => {})
    const gateway = await start(port, verified)
    const client = await open(gateway.port('database'))
    client.write('hello')
    await new Promise((resolve) => client.once('close', resolve))
    const { outcome, cause } = await gateway.record(({ msg }) => msg === 'connection')
    expect([outcome, cause]).toEqual(['UF', expect.stringMatching(/alert "certificate required"/)])
  })
})
