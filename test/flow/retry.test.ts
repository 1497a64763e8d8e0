import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { deadPort, tcpBackend } from '../helpers/backend.ts'
import { drained, open } from '../helpers/client.ts'
import { type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { collect, ok, type RawBackend, rawBackend } from '../http1/raw-backend.ts'
import { accessRecord, arrived } from './wire.ts'

const unavailable = 'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy'
const grpc = (status: number): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: ${status}\r\ncontent-length: 0\r\n\r\n`

type Answer = string | ((socket: Socket) => void)

interface Scene {
  readonly gateway: TestGateway
  readonly backends: readonly RawBackend[]
}

/** A gateway whose backends answer each whole request so, in the order of the balance. */
async function start(answers: readonly Answer[], upstream: { [key: string]: Json }): Promise<Scene> {
  const backends = await Promise.all(
    answers.map((answer) =>
      rawBackend((socket, seen) => {
        if (!isWhole(seen)) return
        if (typeof answer === 'string') socket.write(answer)
        else answer(socket)
      }),
    ),
  )
  return { backends, gateway: await startInProcess(config(backends, upstream)) }
}

function isWhole(seen: string): boolean {
  const [head = '', body = ''] = seen.split('\r\n\r\n')
  return seen.includes('\r\n\r\n') && body.length >= Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0)
}

function config(backends: readonly { readonly port: number }[], upstream: { [key: string]: Json }): Json {
  return {
    listeners: { web: { address: '127.0.0.1', port: 0 } },
    routes: { all: { listener: 'web', upstream: 'pool' } },
    upstreams: {
      pool: { backends: backends.map(({ port }) => ({ address: `127.0.0.1:${port}` })), health: false, ...upstream },
    },
  }
}

async function ask({ gateway }: Scene, method: string, body = '', fields = ''): Promise<string> {
  const client = await open(gateway.port('web'))
  const got = collect(client)
  client.write(`${method} /x HTTP/1.1\r\nhost: h\r\n${fields}content-length: ${body.length}\r\n\r\n${body}`)
  await arrived(got, /^HTTP\/1\.1 \d+ .*\r\n\r\n/s)
  client.destroy()
  return /^HTTP\/1\.1 (\d+)/.exec(got.text)![1]!
}

const requests = ({ backends }: Scene): number[] =>
  backends.map(({ seen }) => seen.join('').split('/x HTTP').length - 1)

describe('an attempt is followed by another', () => {
  const reset: Answer = (socket) => void socket.resetAndDestroy()
  const silent: Answer = () => {}
  const call = 'content-type: application/grpc\r\n'
  test.each<[string, Answer, { [key: string]: Json }, string, string, string]>([
    ['a status', unavailable, { on: [503] }, 'GET', '', ''],
    ['a status, with the body', unavailable, { on: [503] }, 'PUT', 'abc', ''],
    ['a reset', reset, { on: ['reset'] }, 'GET', '', ''],
    [
      'a reset of a method that is said to be idempotent',
      reset,
      { on: ['reset'], idempotent: ['POST'] },
      'POST',
      'abc',
      '',
    ],
    ['no answer in time', silent, { on: ['timeout'] }, 'DELETE', '', ''],
    ['a status of gRPC', grpc(14), { on: ['grpc:14'], idempotent: ['POST'] }, 'POST', 'abc', call],
  ])('after %s', async (_, answer, retry, method, body, fields) => {
    const scene = await start([answer, ok], { retry, timeouts: { response: '300ms' } })
    expect(await ask(scene, method, body, fields)).toBe('200')
    expect(requests(scene)).toEqual([1, 1])
    expect(scene.backends[1]!.seen.join('')).toMatch(new RegExp(`\\r\\n\\r\\n${body}$`))
    expect(await accessRecord(scene.gateway)).toMatchObject({ status: 200, outcome: '', attempts: 2 })
  })

  test.each<[string, Answer, { [key: string]: Json }, string, string, string]>([
    ['a status that is not named', unavailable, { on: [502, 'reset', 'timeout'] }, 'GET', '503', ''],
    ['a method that is not idempotent', unavailable, { on: [503] }, 'POST', '503', ''],
    ['a reset, by default', reset, {}, 'GET', '502', ''],
    ['no further attempts', unavailable, { on: [503], attempts: 0 }, 'GET', '503', ''],
    ['a status of gRPC that is not named', grpc(13), { on: ['grpc:14'], idempotent: ['POST'] }, 'POST', '200', call],
    ['a status of gRPC of another kind of request', grpc(14), { on: ['grpc:14'] }, 'GET', '200', ''],
  ])('but not after %s', async (_, answer, retry, method, status, fields) => {
    const scene = await start([answer, ok], { retry })
    expect(await ask(scene, method, '', fields)).toBe(status)
    expect(requests(scene)).toEqual([1, 0])
  })

  test('until they are used up: then the client gets the last answer', async () => {
    const scene = await start([unavailable, unavailable, unavailable, ok], { retry: { on: [503], attempts: 2 } })
    expect(await ask(scene, 'GET')).toBe('503')
    expect(requests(scene)).toEqual([1, 1, 1, 0])
    expect(await accessRecord(scene.gateway)).toMatchObject({ status: 503, attempts: 3 })
  })

  test('at the same backend when no other is left', async () => {
    let count = 0
    const scene = await start([(socket) => void socket.write(++count === 2 ? ok : unavailable)], {
      retry: { on: [503] },
    })
    expect(await ask(scene, 'GET')).toBe('200')
    expect(count).toBe(2)
  })

  test('but not with a body longer than 16 KB', async () => {
    const scene = await start([unavailable, ok], { retry: { on: [503] } })
    expect(await ask(scene, 'PUT', 'x'.repeat(16 * 1024 + 1))).toBe('503')
    expect(requests(scene)).toEqual([1, 0])
  })
})

describe('backends that cannot be reached', () => {
  const dead = async (): Promise<{ port: number }> => ({ port: await deadPort() })

  test.each([
    [2, undefined, '200'],
    [3, 1, '502'],
    [1, 0, '502'],
  ])('%i of them before one that can, with attempts %s', async (count, attempts, status) => {
    const backends = await Promise.all(Array.from({ length: count }, dead))
    const live = await rawBackend((socket) => void socket.write(ok))
    const retry = attempts === undefined ? {} : { attempts }
    const gateway = await startInProcess(config([...backends, live], { retry }))
    expect(await ask({ gateway, backends: [] }, 'POST', 'abc')).toBe(status)
  })

  const tcp = (backends: readonly { port: number }[], upstream: { [key: string]: Json }): Json => {
    const { upstreams } = config(backends, { protocol: 'tcp', ...upstream }) as { upstreams: Json }
    return {
      listeners: { web: { protocol: 'tcp', address: '127.0.0.1', port: 0 } },
      routes: { all: { listener: 'web', upstream: 'pool' } },
      upstreams,
    }
  }

  async function refusal(gateway: TestGateway): Promise<Record<string, unknown>> {
    const client = await open(gateway.port('web'))
    client.on('error', () => {})
    await new Promise((resolve) => client.on('close', resolve))
    return gateway.record(({ msg }) => msg === 'connection')
  }

  test('on tcp: the connection is closed after the last attempt', async () => {
    const live = await tcpBackend((socket) => void socket.end('here'))
    const backends = [await dead(), await dead(), live]
    const first = await startInProcess(tcp(backends, { retry: { attempts: 2 } }))
    expect(await drained(await open(first.port('web')))).toBe('here')
    const second = await startInProcess(tcp(backends, { retry: { attempts: 1 } }))
    expect(await refusal(second)).toMatchObject({ outcome: 'UF', attempts: 2 })
  })

  test('for longer than `within` in all: the attempt that is under way then ends, and none follows', async () => {
    const silent = await tcpBackend(() => {})
    const upstream = { tls: { verify: false }, retry: { within: '300ms' }, timeouts: { connect: '20s' } }
    const gateway = await startInProcess(tcp([await dead(), silent, await tcpBackend(() => {})], upstream))
    const { outcome, attempts, cause } = await refusal(gateway)
    expect({ outcome, attempts }).toEqual({ outcome: 'UF', attempts: 2 })
    expect(Number(/ (\d+) ms$/.exec(String(cause))?.[1])).toBeLessThanOrEqual(300)
  })
})
