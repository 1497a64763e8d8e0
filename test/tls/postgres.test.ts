import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { open } from '../helpers/client.ts'
import { type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { createAuthority } from './certificates.ts'
import { gssRequest, sslRequest, startup, stubDatabase } from './postgres-stub.ts'

const ca = createAuthority()
const { chain: cert, key } = ca.issue()

function gatewayTo(port: number, more: { [name: string]: Json } = {}): Promise<TestGateway> {
  const config: Json = {
    listeners: { database: { protocol: 'tcp', address: '127.0.0.1', port: 0 } },
    routes: { all: { listener: 'database', upstream: 'database' } },
    upstreams: {
      database: {
        protocol: 'tcp',
        backends: [{ address: `127.0.0.1:${port}` }],
        tls: { ca: 'ca.pem', starttls: 'postgres' },
        health: false,
        ...more,
      },
    },
  }
  return startInProcess(config, { 'ca.pem': ca.cert })
}

/** What a socket has got so far, and whether it is closed. */
function watch(socket: Socket): { bytes: Buffer; closed: boolean } {
  const seen = { bytes: Buffer.alloc(0), closed: false }
  socket.on('data', (chunk: Buffer) => {
    seen.bytes = Buffer.concat([seen.bytes, chunk])
  })
  socket.on('close', () => {
    seen.closed = true
  })
  return seen
}

async function failureOf(gateway: TestGateway): Promise<unknown> {
  const client = await open(gateway.port('database'))
  const seen = watch(client)
  client.write(startup)
  await until('the end', () => seen.closed)
  const { outcome, cause } = await gateway.record(({ msg }) => msg === 'connection')
  return [outcome, cause]
}

describe('a backend that is asked for TLS as PostgreSQL is', () => {
  test('gets what the client sends over TLS, with the protocol of PostgreSQL agreed on', async () => {
    const database = await stubDatabase('S', { cert, key })
    const gateway = await gatewayTo(database.port)
    const client = await open(gateway.port('database'))
    const seen = watch(client)
    client.write(startup)
    await until('the echo', () => seen.bytes.equals(startup))
    expect(database.secured[0]!.alpnProtocol).toBe('postgresql')
    expect(database.clear).toEqual([])
    client.end()
    expect(await gateway.record(({ msg }) => msg === 'connection')).toMatchObject({ outcome: '' })
  })

  const refused: readonly (readonly [what: string, answer: string, cause: RegExp])[] = [
    ['declines', 'N', /the backend does not offer TLS \(it answered SSLRequest with N\)$/],
    ['declines, and goes on in clear', 'NR\0\0\0\x08\0\0\0\0', /does not offer TLS/],
    ['sends an error', 'Eno pg_hba.conf entry\0', /does not answer SSLRequest as PostgreSQL does/],
    ['is something else', 'SSH-2.0-OpenSSH\r\n', /bytes in clear followed the answer to the request for TLS/],
    // CVE-2021-23222: a third party sends them behind the answer, to be taken for those of the encrypted connection.
    ['sends bytes in clear behind its answer', 'SR\0\0\0\x08\0\0\0\0', /bytes in clear followed the answer/],
  ]
  test.each(refused)('and %s: UF, and it gets nothing in clear', async (_what, answer, cause) => {
    const database = await stubDatabase(answer, { cert, key })
    const gateway = await gatewayTo(database.port)
    expect(await failureOf(gateway)).toEqual(['UF', expect.stringMatching(cause)])
    await until('the close', () => database.sockets.size === 0)
    expect(database.clear).toEqual([])
    expect(database.secured).toEqual([])
  })

  test('and is silent: UF when `timeouts.connect` is over', async () => {
    const database = await stubDatabase('', { cert, key })
    const gateway = await gatewayTo(database.port, { timeouts: { connect: '100ms' } })
    expect(await failureOf(gateway)).toEqual(['UF', expect.stringMatching(/no TLS handshake within 100 ms/)])
    await until('the close', () => database.sockets.size === 0)
  })

  test('and shows the certificate of another authority: UF', async () => {
    const stranger = createAuthority().issue()
    const database = await stubDatabase('S', { cert: stranger.chain, key: stranger.key })
    const gateway = await gatewayTo(database.port)
    expect(await failureOf(gateway)).toEqual(['UF', expect.stringMatching(/unable to verify the first certificate/)])
  })

  test('is probed in the same way', async () => {
    const database = await stubDatabase('N', { cert, key })
    const gateway = await gatewayTo(database.port, { health: { interval: '20ms' } })
    const { why } = await gateway.record(({ msg }) => msg === 'backend down')
    expect(why).toMatch(/^the backend does not offer TLS/)
  })
})

describe('a client in front of it', () => {
  test.each([
    ['TLS', [sslRequest]],
    ['GSSAPI and then TLS', [gssRequest, sslRequest]],
  ])('that asks for %s is told that there is none, and goes on in clear', async (_what, requests) => {
    const database = await stubDatabase('S', { cert, key })
    const gateway = await gatewayTo(database.port)
    const client = await open(gateway.port('database'))
    const seen = watch(client)
    for (const [index, request] of requests.entries()) {
      // In two pieces, as a network may bring it.
      client.write(request.subarray(0, 5))
      await new Promise((resolve) => setTimeout(resolve, 20))
      client.write(request.subarray(5))
      await until('the answer', () => seen.bytes.toString() === 'N'.repeat(index + 1))
    }
    client.write(startup)
    await until('the echo', () => seen.bytes.subarray(requests.length).equals(startup))
  })

  test('that does not wait for the answer is disconnected', async () => {
    const database = await stubDatabase('S', { cert, key })
    const gateway = await gatewayTo(database.port)
    const client = await open(gateway.port('database'))
    const seen = watch(client)
    client.write(Buffer.concat([sslRequest, startup]))
    await until('the end', () => seen.closed)
    expect(await gateway.record(({ msg }) => msg === 'connection')).toMatchObject({ outcome: 'DPE' })
  })
})
