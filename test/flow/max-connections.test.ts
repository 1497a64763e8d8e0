import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { shareHost, shareOf } from '../../core/net/host-share.ts'
import { tcpBackend } from '../helpers/backend.ts'
import { open } from '../helpers/client.ts'
import { type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { collect, ok, type RawBackend, rawBackend } from '../http1/raw-backend.ts'
import { exchange } from './wire.ts'

const request = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'

function config(protocol: string, backends: readonly { port: number; max?: number }[], max?: number): Json {
  return {
    listeners: { web: { protocol, address: '127.0.0.1', port: 0 } },
    routes: { all: { listener: 'web', upstream: 'pool' } },
    upstreams: {
      pool: {
        protocol,
        health: false,
        backends: backends.map(({ port, max: own }) => {
          return { address: `127.0.0.1:${port}`, ...(own !== undefined && { maxConnections: own }) }
        }),
        ...(max !== undefined && { maxConnections: max }),
      },
    },
  }
}

/** Backends that do not answer before they are told to. */
async function waiting(count: number): Promise<{ backends: RawBackend[]; answer: () => void }> {
  const sockets: { write(bytes: string): unknown }[] = []
  const backends = await Promise.all(
    Array.from({ length: count }, () =>
      rawBackend((socket, seen) => void (seen.endsWith('\r\n\r\n') && sockets.push(socket))),
    ),
  )
  return { backends, answer: () => void sockets.splice(0).forEach((socket) => void socket.write(ok)) }
}

async function begin(gateway: TestGateway): Promise<ReturnType<typeof collect>> {
  const client = await open(gateway.port('web'))
  client.on('error', () => {})
  const got = collect(client)
  client.write(request)
  return got
}

describe('requests', () => {
  test('beyond those of a backend go to another one, and beyond all are answered with 503 (UO)', async () => {
    const { backends, answer } = await waiting(2)
    const limited = backends.map(({ port }, index) => ({ port, max: index + 1 }))
    const gateway = await startInProcess(config('http', limited))
    const under = await Promise.all([1, 2, 3].map(() => begin(gateway)))
    await until(
      'three requests',
      () =>
        backends
          .flatMap(({ seen }) => seen)
          .join('')
          .split('GET').length === 4,
    )
    expect(backends.map(({ seen }) => seen.length)).toEqual([1, 2])
    expect((await exchange(gateway.port('web'), request, /\r\n\r\n/)).text).toMatch(/^HTTP\/1\.1 503 /)
    expect(await gateway.record(({ status }) => status === 503)).toMatchObject({ outcome: 'UO' })
    answer()
    await until('three answers', () => under.every(({ text }) => text.endsWith('ok')))
    const next = await begin(gateway)
    await until(
      'a fourth request',
      () =>
        backends
          .flatMap(({ seen }) => seen)
          .join('')
          .split('GET').length === 5,
    )
    answer()
    await until('its answer', () => next.text.endsWith('ok'))
  })

  test('are counted over all backends for the upstream', async () => {
    const { backends, answer } = await waiting(2)
    const gateway = await startInProcess(config('http', backends, 2))
    const under = await Promise.all([1, 2].map(() => begin(gateway)))
    await until('two requests', () => backends.every(({ seen }) => seen.length === 1))
    expect((await exchange(gateway.port('web'), request, /\r\n\r\n/)).text).toMatch(/^HTTP\/1\.1 503 /)
    answer()
    await until('two answers', () => under.every(({ text }) => text.endsWith('ok')))
  })
})

test('connections beyond the limit are closed (UO), and one that ends makes room', async () => {
  const backend = await tcpBackend((socket) => {
    socket.on('error', () => {})
    socket.write('hello')
  })
  const gateway = await startInProcess(config('tcp', [{ port: backend.port, max: 1 }]))
  const first = await open(gateway.port('web'))
  await new Promise((resolve) => first.once('data', resolve))
  const second = connect(gateway.port('web'), '127.0.0.1').on('error', () => {})
  await new Promise((resolve) => second.once('close', resolve))
  expect(await gateway.record(({ outcome }) => outcome === 'UO')).toMatchObject({ msg: 'connection' })
  first.resetAndDestroy()
  await gateway.record(({ outcome }) => outcome === 'DC')
  const third = await open(gateway.port('web'))
  third.on('error', () => {})
  await new Promise((resolve) => third.once('data', resolve))
})

describe('of a listener', () => {
  const limited = (protocol: string, port: number): Json => {
    const { listeners, ...rest } = config(protocol, [{ port }]) as { listeners: { web: { [key: string]: Json } } }
    return { listeners: { web: { ...listeners.web, maxConnections: 2 } }, ...rest } as Json
  }

  test('requests beyond it are answered with 503, and a connection that ends makes room', async () => {
    const { backends } = await waiting(1)
    const gateway = await startInProcess(limited('http', backends[0]!.port))
    const clients = await Promise.all([1, 2].map(() => open(gateway.port('web'))))
    await until('two connections', () => clients.every(({ readyState }) => readyState === 'open'))
    const { text } = await exchange(gateway.port('web'), '', /\r\n\r\n/)
    expect(text).toMatch(/^HTTP\/1\.1 503 .*connection: close\r\n/is)
    expect(text).toContain('urn:postern:outcome:OM')
    const { cause } = await gateway.record(({ outcome }) => outcome === 'OM')
    expect(cause).toContain('2 in this worker, of "maxConnections": 2')
    for (const client of clients) client.resetAndDestroy()
    await until('room', async () => {
      const client = await begin(gateway)
      return until('what becomes of it', () => client.text !== '' || backends[0]!.seen.join('') !== '').then(
        () => client.text === '',
      )
    })
  })

  test('connections beyond it are reset', async () => {
    const backend = await tcpBackend((socket) => void socket.on('error', () => {}).write('hello'))
    const gateway = await startInProcess(limited('tcp', backend.port))
    for (let i = 0; i < 2; i++) {
      const client = connect(gateway.port('web'), '127.0.0.1').on('error', () => {})
      await new Promise((resolve) => client.once('data', resolve))
    }
    const third = connect(gateway.port('web'), '127.0.0.1').on('error', () => {})
    await new Promise((resolve) => third.once('close', resolve))
    expect(await gateway.record(({ outcome }) => outcome === 'OM')).toMatchObject({
      msg: 'connection',
      listener: 'web',
    })
  })
})

describe('the part of a worker', () => {
  afterEach(() => shareHost(0, 1))

  test.each([
    [10, 3, [4, 3, 3]],
    [2, 2, [1, 1]],
    [1, 3, [1, 1, 1]],
    [7, 1, [7]],
  ])('of %i over %i workers', (limit, of, parts) => {
    const found = Array.from({ length: of }, (_, index) => {
      shareHost(index, of)
      return shareOf(limit)
    })
    expect(found).toEqual(parts)
  })
})
