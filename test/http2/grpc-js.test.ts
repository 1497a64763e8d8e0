import { status } from '@grpc/grpc-js'
import { describe, expect, test } from 'vitest'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { type GrpcApp, GrpcClient, startGrpcApp } from './grpc-app.ts'

interface Chain {
  readonly apps: readonly GrpcApp[]
  readonly gateway: TestGateway
  readonly client: GrpcClient
}

/** grpc-js → gateway → three servers of grpc-js. */
async function startChain(routes: { [name: string]: Json } = {}): Promise<Chain> {
  const apps = [await startGrpcApp('one'), await startGrpcApp('two'), await startGrpcApp('three')]
  const config = httpConfig(
    apps.map(({ port }) => port),
    { listeners: { web: { http: ['1.1', '2'] } }, upstreams: { app: { http: '2' } }, routes },
  )
  const gateway = await startInProcess(config)
  return { apps, gateway, client: new GrpcClient(gateway.port('web')) }
}

function requests({ log }: TestGateway): Record<string, unknown>[] {
  return log.filter(({ msg }) => msg === 'request')
}

describe('@grpc/grpc-js → gateway → @grpc/grpc-js', () => {
  test('all four kinds of calls, with metadata and trailers', async () => {
    const { client, gateway } = await startChain()
    const ok = { code: status.OK, sum: 'total' }
    const sum = ['sum', 'total']
    expect(await client.one('hello', sum)).toMatchObject({ ...ok, messages: ['hello'] })
    expect(await client.one('', sum)).toMatchObject({ ...ok, messages: [''] })
    expect(await client.collect(['a', 'b', 'c'], sum)).toMatchObject({ ...ok, messages: ['abc'] })
    expect(await client.count('4', sum)).toMatchObject({ ...ok, messages: ['0', '1', '2', '3'] })
    expect(await client.count('0', sum)).toMatchObject({ ...ok, messages: [] })
    expect(await client.talk(['x', 'y', 'z'], sum)).toMatchObject({ ...ok, messages: ['x', 'y', 'z'] })
    await until('the records', () => requests(gateway).length === 6)
    expect(requests(gateway).filter(({ outcome }) => outcome !== '')).toEqual([])
  })

  test('messages of megabytes, and thousands of small ones', async () => {
    const { client } = await startChain()
    const big = Buffer.alloc(1_500_000, 'big ')
    expect((await client.one(big)).messages[0]).toBe(big.toString())
    expect((await client.count('5000')).messages).toHaveLength(5_000)
    const texts = Array.from({ length: 500 }, (_, i) => `message ${i}`)
    expect((await client.collect(texts)).messages).toEqual([texts.join('')])
    expect((await client.talk(texts)).messages).toEqual(texts)
  })

  test('the calls of one connection are spread over the backends', async () => {
    const { client, apps } = await startChain()
    const ended = await Promise.all(Array.from({ length: 60 }, (_, i) => client.one(`${i}`)))
    expect(ended.map(({ messages }) => messages[0])).toEqual(Array.from({ length: 60 }, (_, i) => `${i}`))
    for (const { calls } of apps) expect(calls.length).toBeGreaterThanOrEqual(15)
    expect(new Set(ended.map(({ backend }) => backend))).toEqual(new Set(['one', 'two', 'three']))
  })

  test('by L4 all of them go to one', async () => {
    const apps = [await startGrpcApp('one'), await startGrpcApp('two'), await startGrpcApp('three')]
    const gateway = await startInProcess({
      listeners: { plain: { protocol: 'tcp', address: '127.0.0.1', port: 0 } },
      routes: { all: { listener: 'plain', upstream: 'app' } },
      upstreams: {
        app: { protocol: 'tcp', backends: apps.map(({ port }) => ({ address: `127.0.0.1:${port}` })), health: false },
      },
    })
    const client = new GrpcClient(gateway.port('plain'))
    await Promise.all(Array.from({ length: 30 }, () => client.one('x')))
    expect(apps.map(({ calls }) => calls.length).sort()).toEqual([0, 0, 30])
  })

  test.each([
    ['unary', (client: GrpcClient, fail: readonly string[]) => client.one('x', fail)],
    ['client streaming', (client: GrpcClient, fail: readonly string[]) => client.collect(['x', 'y'], fail)],
    ['server streaming', (client: GrpcClient, fail: readonly string[]) => client.count('5', fail)],
    ['bidirectional', (client: GrpcClient, fail: readonly string[]) => client.talk(['x', 'y'], fail)],
  ] as const)('a status of the server comes as it is: %s', async (_, call) => {
    const { client } = await startChain()
    for (const code of [status.NOT_FOUND, status.RESOURCE_EXHAUSTED, status.DATA_LOSS]) {
      expect(await call(client, ['fail', String(code)])).toMatchObject({
        code,
        details: 'told to fail: 100 %, “no”',
        messages: [],
      })
    }
  })

  test('a deadline ends the call at the server, too', async () => {
    const { client, apps, gateway } = await startChain()
    const ended = await client.one('x', ['wait', '1'], { deadline: Date.now() + 300 })
    expect(ended.code).toBe(status.DEADLINE_EXCEEDED)
    await until('the server to be told', () => apps.some(({ cancelled }) => cancelled.includes('one')))
    await until('the record', () => requests(gateway).length === 1)
    expect(requests(gateway)[0]!.outcome).toMatch(/^(UT|DC)$/)
    expect((await client.one('after')).messages).toEqual(['after'])
  })

  test('a cancelled call is cancelled at the server, and the connection goes on', async () => {
    const { client, apps, gateway } = await startChain()
    let seen = 0
    const ended = await client.count('endless', [], {}, (call) => {
      if (++seen === 10) call.cancel()
    })
    expect(ended.code).toBe(status.CANCELLED)
    await until('the server to be told', () => apps.some(({ cancelled }) => cancelled.includes('count')))
    await until('the record', () => requests(gateway).length === 1)
    expect(requests(gateway)[0]!.outcome).toBe('DC')
    expect((await client.one('after')).messages).toEqual(['after'])
  })

  test('answers of the gateway itself are statuses of gRPC', async () => {
    const { client } = await startChain({
      gone: { listener: 'web', match: { path: '/test.Echo/Collect' }, reply: { status: 403, body: 'no' } },
    })
    expect((await client.collect(['x'])).code).toBe(status.PERMISSION_DENIED)
  })
})
