import { writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { httpsBackend, tcpBackend, tlsBackend } from '../helpers/backend.ts'
import { send } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { createAuthority, selfSigned } from './certificates.ts'

const ca = createAuthority()
const leaf = ca.issue()
const shown = { cert: leaf.chain, key: leaf.key }

function configOf(ports: readonly number[], tls: Json = { ca: 'ca.pem' }): Json {
  return httpConfig(ports, { upstreams: { app: { tls } } })
}

function gatewayTo(ports: readonly number[], tls?: Json): Promise<TestGateway> {
  return startInProcess(configOf(ports, tls), { 'ca.pem': ca.cert })
}

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllEnvs()
})

test('a backend cannot make the gateway begin the handshake again', async () => {
  const ends = new Set<TLSSocket>()
  let repeated = 0
  const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
  const { port } = await tlsBackend({ ...shown, maxVersion: 'TLSv1.2' }, (socket) => {
    // It is refused with an alert, or the connection ends.
    for (const event of ['error', 'end']) socket.on(event, () => ends.add(socket))
    socket.once('data', () => {
      socket.write(ok)
      socket.renegotiate({}, () => repeated++)
    })
  })
  const gateway = await gatewayTo([port])
  for (let i = 1; i <= 2; i++) {
    expect((await send(gateway.port('web'), '/')).body).toBe('ok')
    await until('the end', () => ends.size === i)
  }
  expect(repeated).toBe(0)
})

test('a handshake that comes byte by byte is complete nevertheless', async () => {
  const server = await httpsBackend(shown, (_request, response) => void response.end('ok'))
  const { port } = await tcpBackend((near) => {
    const far = connectTcp(server.port, '127.0.0.1')
    near.pipe(far)
    const queue: number[] = []
    far.on('data', (bytes: Buffer) => queue.push(...bytes))
    const timer = setInterval(() => {
      for (let i = 0; i < 8 && queue.length > 0; i++) near.write(Buffer.from([queue.shift()!]))
    }, 1)
    near.on('close', () => {
      clearInterval(timer)
      far.destroy()
    })
    far.on('error', () => {})
  })
  const gateway = await gatewayTo([port])
  expect((await send(gateway.port('web'), '/')).body).toBe('ok')
})

test('what a certificate says cannot forge a line of the log', async () => {
  const strange = 'x"}\n{"level":"info","msg":"forged"\u202e'
  const { port } = await tlsBackend(
    ((one) => ({ cert: one.cert, key: one.key }))(selfSigned({ names: [strange] })),
    () => {},
  )
  const gateway = await gatewayTo([port])
  expect((await send(gateway.port('web'), '/')).status).toBe(502)
  await gateway.record(({ msg }) => msg === 'request')
  expect(gateway.log.filter(({ msg }) => msg === 'forged')).toEqual([])
})

test('an answer before the request is not taken for one', async () => {
  let connections = 0
  const { port } = await tlsBackend(shown, (socket) => {
    connections++
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged')
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nreal'))
  })
  const gateway = await gatewayTo([port])
  for (let i = 0; i < 3; i++) await send(gateway.port('web'), `/${i}`)
  // Never two answers for one connection.
  expect(connections).toBe(3)
})

describe('a session', () => {
  /** Says whether each connection resumed one; a new connection for each request. */
  async function started(): Promise<{ readonly gateway: TestGateway; isReused(): Promise<unknown> }> {
    const { port } = await httpsBackend(shown, (request, response) => {
      response.setHeader('connection', 'close')
      response.end(String((request.socket as TLSSocket).isSessionReused()))
    })
    const gateway = await gatewayTo([port])
    return { gateway, isReused: async () => (await send(gateway.port('web'), '/')).body }
  }

  test('ends with the certificate that was verified for it', async () => {
    const { isReused } = await started()
    expect([await isReused(), await isReused()]).toEqual(['false', 'true'])
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 100 * 24 * 3_600_000 })
    expect(await isReused()).toBe('false')
  })

  test('and connections end when a file of the authorities has other bytes', async () => {
    const { gateway, isReused } = await started()
    expect([await isReused(), await isReused()]).toEqual(['false', 'true'])
    const config = JSON.parse(JSON.stringify(configOf([0]))) as Json
    const port = gateway.log.find(({ msg }) => msg === 'request')!.backend as string
    writeFileSync(join(gateway.folder, 'ca.pem'), createAuthority('Another CA').cert)
    await gateway.reload(JSON.parse(JSON.stringify(config).replace('127.0.0.1:0', port)) as Json)
    expect((await send(gateway.port('web'), '/')).status).toBe(502)
  })
})

test('NODE_TLS_REJECT_UNAUTHORIZED does not turn the verification off', async () => {
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
  const { port } = await httpsBackend(
    ((one) => ({ cert: one.cert, key: one.key }))(selfSigned()),
    (_request, response) => {
      response.end()
    },
  )
  for (const tls of [true, { ca: 'ca.pem' }]) {
    const gateway = await gatewayTo([port], tls)
    expect((await send(gateway.port('web'), '/')).status).toBe(502)
  }
})
