import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { type ConnectionOptions, connect } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { checkConfig } from '../../core/check/check.ts'
import { tcpBackend } from '../helpers/backend.ts'
import { drained, open } from '../helpers/client.ts'
import { gatewayFolder, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { createAuthority } from './certificates.ts'
import { gssRequest, sslRequest, startup } from './postgres-stub.ts'

const ca = createAuthority()
const leaf = ca.issue()

type Changeable = Json & { listeners: { database: { tls: { [name: string]: Json } } } }

interface Database {
  readonly gateway: TestGateway
  /** All that has reached the backend. */
  readonly got: () => string
}

/** A gateway whose clients ask for TLS, in front of a backend in clear that sends back what it gets. */
async function database(
  tls: { [name: string]: Json } = {},
  listener: { [name: string]: Json } = {},
): Promise<Database> {
  let got = ''
  const { port } = await tcpBackend((socket) => {
    socket.on('data', (bytes) => {
      got += bytes.toString('latin1')
      socket.write(bytes)
    })
    socket.on('end', () => socket.end())
  })
  const certificates = [{ cert: 'server.pem', key: 'server.key' }]
  const config: Json = {
    listeners: {
      database: {
        protocol: 'tls',
        address: '127.0.0.1',
        port: 0,
        tls: { certificates, starttls: 'postgres', ...tls },
        ...listener,
      },
    },
    routes: { all: { listener: 'database', upstream: 'database' } },
    upstreams: { database: { protocol: 'tcp', backends: [{ address: `127.0.0.1:${port}` }], health: false } },
  }
  const gateway = await startInProcess(config, { 'server.pem': leaf.chain, 'server.key': leaf.key })
  return { gateway, got: () => got }
}

async function answerTo(client: Socket, request: Buffer): Promise<string> {
  client.write(request)
  const [answer] = (await once(client, 'data')) as [Buffer]
  return answer.toString('latin1')
}

/** Speaks TLS on a connection, and sends the first message. @returns what comes back */
async function secured(client: Socket, options: ConnectionOptions = {}): Promise<Buffer> {
  const socket = connect({ socket: client, ca: ca.cert, host: '127.0.0.1', ...options })
  socket.write(startup)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  return answer
}

const handshake = ({ msg }: Record<string, unknown>): boolean => msg === 'handshake'

describe('a client that asks for TLS as those of PostgreSQL do', () => {
  test('gets it, and the backend what it sends then', async () => {
    const { gateway, got } = await database()
    const client = await open(gateway.port('database'))
    expect(await answerTo(client, sslRequest)).toBe('S')
    expect(await secured(client)).toEqual(startup)
    expect(got()).toBe(startup.toString('latin1'))
  })

  test('gets it after a request for GSSAPI, byte by byte', async () => {
    const { gateway } = await database()
    const client = await open(gateway.port('database'))
    for (const [request, wanted] of [
      [gssRequest, 'N'],
      [sslRequest, 'S'],
    ] as const) {
      const answer = once(client, 'data')
      for (const byte of request) {
        client.write(Buffer.from([byte]))
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      expect(String((await answer)[0])).toBe(wanted)
    }
    expect(await secured(client)).toEqual(startup)
  })

  test('CVE-2021-23214: with bytes behind the request it is cut off, and no byte is forwarded', async () => {
    const { gateway, got } = await database()
    const client = await open(gateway.port('database'))
    const all = drained(client)
    client.write(Buffer.concat([sslRequest, startup]))
    expect(await all).toBe('')
    const { outcome, cause } = await gateway.record(handshake)
    expect([outcome, cause]).toEqual(['DPE', 'bytes in clear followed the request for encryption'])
    expect(got()).toBe('')
  })

  test('and sends something else then is cut off', async () => {
    const { gateway, got } = await database()
    const client = await open(gateway.port('database'))
    expect(await answerTo(client, sslRequest)).toBe('S')
    const all = drained(client)
    client.write(startup)
    expect(await all).toBe('')
    expect(await gateway.record(handshake)).toMatchObject({ outcome: 'DPE' })
    expect(got()).toBe('')
  })

  test.each([
    ['in the request', sslRequest.subarray(0, 6)],
    ['after it', sslRequest],
  ])('and stops %s is cut off when `timeouts.handshake` is over', async (_where, bytes) => {
    const { gateway } = await database({}, { timeouts: { handshake: '100ms' } })
    const client = await open(gateway.port('database'))
    const all = drained(client)
    client.write(bytes)
    await all
    if (bytes.length < 8) expect(await gateway.record(handshake)).toMatchObject({ outcome: 'CI' })
  })
})

describe('a client that does not ask', () => {
  test('is told to, and no byte is forwarded', async () => {
    const { gateway, got } = await database()
    const client = await open(gateway.port('database'))
    const all = drained(client)
    client.write(startup)
    const text = await all
    expect(text).toMatch(/^E[\s\S]{4}SFATAL\0VFATAL\0C28000\0Mthis port takes only TLS.*\0\0$/)
    expect(Buffer.from(text, 'latin1').readInt32BE(1)).toBe(text.length - 1)
    expect(await gateway.record(handshake)).toMatchObject({ outcome: 'DPE', cause: 'the client did not ask for TLS' })
    expect(got()).toBe('')
  })

  test('is served in clear with `plain`, and one that asks is not', async () => {
    const { gateway } = await database({ plain: true })
    expect(await answerTo(await open(gateway.port('database')), startup)).toBe(startup.toString('latin1'))
    const client = await open(gateway.port('database'))
    expect(await answerTo(client, sslRequest)).toBe('S')
    expect(await secured(client)).toEqual(startup)
  })

  test('but begins with TLS and names the protocol is served; another protocol is not', async () => {
    const { gateway, got } = await database()
    const right = { ALPNProtocols: ['postgresql'] }
    expect(await secured(await open(gateway.port('database')), right)).toEqual(startup)
    for (const wrong of [{}, { ALPNProtocols: ['http/1.1'] }]) {
      const client = await open(gateway.port('database'))
      await expect(secured(client, wrong)).rejects.toThrow(/no application protocol/)
    }
    expect(got()).toBe(startup.toString('latin1'))
    const { alert } = await gateway.record(handshake)
    expect(alert).toBe('no_application_protocol')
  })

  test('and says nothing leaves no record, like the probe of a load balancer', async () => {
    const { gateway } = await database()
    const client = await open(gateway.port('database'))
    client.end()
    await new Promise((resolve) => client.once('close', resolve))
    await expect(answerTo(await open(gateway.port('database')), sslRequest)).resolves.toBe('S')
    expect(gateway.log.filter(handshake)).toEqual([])
  })

  test('and holds nothing up when the gateway drains', async () => {
    const { gateway } = await database()
    const client = await open(gateway.port('database'))
    const all = drained(client)
    client.write(sslRequest.subarray(0, 3))
    await new Promise((resolve) => setTimeout(resolve, 50))
    await (gateway as Awaited<ReturnType<typeof startInProcess>>).drain()
    await all
  })
})

test('a reload turns it on and off', async () => {
  const { gateway } = await database()
  const on = await open(gateway.port('database'))
  expect(await answerTo(on, sslRequest)).toBe('S')
  const file = JSON.parse(readFileSync(join(gateway.folder, 'gateway.json'), 'utf8')) as Changeable
  delete file.listeners.database.tls.starttls
  await gateway.reload(file)
  expect(await secured(await open(gateway.port('database')))).toEqual(startup)
  // One that has asked before goes on.
  expect(await secured(on)).toEqual(startup)
  const off = await open(gateway.port('database'))
  const all = drained(off)
  off.write(sslRequest)
  expect(await all).not.toContain('S')
  await until('its record', () => gateway.log.some(handshake))
})

test.each<[what: string, protocol: string, tls: { [name: string]: Json }, problem: string]>([
  [
    'https',
    'https',
    { starttls: 'postgres' },
    'starttls: https clients begin with TLS; remove it, or use "protocol": "tls"',
  ],
  [
    '`plain` alone',
    'tls',
    { plain: true },
    'plain: is for clients that ask for TLS; add "starttls": "postgres", or remove it',
  ],
  ['another way', 'tls', { starttls: 'mysql' }, 'starttls: must be one of "postgres", not "mysql"'],
  [
    'clients that must show a certificate',
    'tls',
    { starttls: 'postgres', plain: true, clientCertificate: { mode: 'require', ca: ['ca.pem'] } },
    'plain: clients without TLS show no certificate, and "clientCertificate" requires one',
  ],
])('the check refuses it for %s', async (_what, protocol, more, problem) => {
  const tls = { certificates: [{ cert: 'server.pem', key: 'server.key' }], ...more }
  const files = { 'server.pem': leaf.chain, 'server.key': leaf.key, 'ca.pem': ca.cert }
  const folder = gatewayFolder({ listeners: { database: { protocol, port: 0, tls } } }, files)
  const result = await checkConfig(join(folder, 'gateway.json'))
  const lines = result.ok ? [] : result.problems.map(({ path, message }) => `${path}: ${message}`)
  expect(lines).toEqual([`listeners.database.tls.${problem}`])
})
