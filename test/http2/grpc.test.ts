import { describe, expect, test } from 'vitest'
import { accessRecord } from '../flow/wire.ts'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { data, headers, request, rst } from './frames.ts'
import { type Frame, fieldOf, openRaw, type RawHttp2Backend, type RawPeer, rawBackend } from './raw.ts'

const grpc = ['content-type', 'application/grpc']

/** A call of a raw client: its head, and one message. */
function call(fields: readonly string[] = [], stream = 1): Buffer[] {
  const head = request(stream, [':method', 'POST', ...grpc, ...fields], {})
  return [head, data(stream, '\0\0\0\0\0', { end: true })]
}

type OnFrame = (peer: RawPeer, frame: Frame) => void

/** Both sides over HTTP/2. @param route the one route besides */
async function start(
  onFrame: OnFrame,
  route: { [key: string]: Json } = {},
): Promise<{ gateway: TestGateway; backend: RawHttp2Backend }> {
  const backend = await rawBackend(onFrame)
  const sections: { [section: string]: { [name: string]: Json } } = {
    listeners: { web: { http: ['2'] } },
    upstreams: { app: { http: '2' } },
    routes: { all: route },
  }
  return { backend, gateway: await startInProcess(httpConfig([backend.port], sections)) }
}

const never: OnFrame = () => {}

describe('what the gateway answers to a gRPC call', () => {
  test('is a head alone', async () => {
    const { gateway } = await start(never, { match: { path: '/other' } })
    const peer = await openRaw(gateway.port('web'))
    peer.send(...call())
    const { fields, body, trailers, statuses } = await peer.answer(1)
    expect([statuses, body.length, trailers]).toEqual([['200'], 0, []])
    const shown = ['content-type', 'grpc-status', 'grpc-message', 'content-length'].map((name) => fieldOf(fields, name))
    expect(shown).toEqual(['application/grpc', '12', 'no route matches', undefined])
    // grpc-js reports a head and an empty DATA as a call that ended without a status.
    expect(peer.frames.filter(({ stream, name }) => stream === 1 && name === 'DATA')).toEqual([])
    expect(await accessRecord(gateway)).toMatchObject({
      status: 200,
      grpcStatus: 12,
      outcome: 'NR',
      protocol: 'HTTP/2',
    })
  })

  test('is a problem document to others', async () => {
    const { gateway } = await start(never, { match: { path: '/other' } })
    const peer = await openRaw(gateway.port('web'))
    peer.send(request(1))
    const { fields, body } = await peer.answer(1)
    expect(fieldOf(fields, 'content-type')).toBe('application/problem+json')
    expect(JSON.parse(body.toString())).toMatchObject({ status: 404 })
  })

  test.each([
    ['UR, a reset before the head', (peer, { stream, isEnd }) => isEnd && peer.send(rst(stream, 2)), '14', 'UR'],
    [
      'UPE, a malformed head',
      (peer, { stream, isEnd }) => isEnd && peer.send(headers(stream, ['x', 'y'])),
      '14',
      'UPE',
    ],
  ] as readonly (readonly [string, OnFrame, string, string])[])(
    'has its status: %s',
    async (_, onFrame, status, outcome) => {
      const { gateway } = await start(onFrame)
      const peer = await openRaw(gateway.port('web'))
      peer.send(...call())
      expect(fieldOf((await peer.answer(1)).fields, 'grpc-status')).toBe(status)
      expect(await accessRecord(gateway)).toMatchObject({ outcome, grpcStatus: Number(status) })
    },
  )

  test('has its status: a deadline that has passed; the backend is told that the call is over', async () => {
    const { gateway, backend } = await start(never)
    const peer = await openRaw(gateway.port('web'))
    peer.send(...call(['grpc-timeout', '50m']))
    expect(fieldOf((await peer.answer(1)).fields, 'grpc-status')).toBe('4')
    expect(await accessRecord(gateway)).toMatchObject({ outcome: 'UT', grpcStatus: 4 })
    const [session] = backend.peers
    const head = await session!.until('HEADERS')
    expect(fieldOf(head.fields, 'grpc-timeout')).toMatch(/^\d{1,5}u$/)
    expect((await session!.until('RST_STREAM')).code).toBe(8)
  })

  test('and says nothing of a reply that has a status of its own', async () => {
    const plugin = `import { definePlugin, reply } from 'postern/sdk'
      export default definePlugin({ name: 'p', onRequest: () => reply(200, '', { 'content-type': 'application/grpc', 'grpc-status': '9' }) })`
    const sections = {
      listeners: { web: { http: ['2'] } },
      routes: { all: { policies: ['p'] } },
      policies: { p: { plugin: 'p', options: {} } },
    }
    const gateway = await startInProcess(httpConfig([1], sections), { 'plugins/p/index.js': plugin })
    const peer = await openRaw(gateway.port('web'))
    peer.send(...call())
    expect(fieldOf((await peer.answer(1)).fields, 'grpc-status')).toBe('9')
    expect(await accessRecord(gateway)).toMatchObject({ grpcStatus: 9 })
  })

  test.each([
    [401, 'who are you?', '16'],
    [403, 'no', '7'],
    [429, 'slow down', '8'],
    [200, 'fine', '2'],
  ])('translates the reply %i of a policy', async (status, text, expected) => {
    const plugin = `import { definePlugin, reply } from 'postern/sdk'
      export default definePlugin({ name: 'p', onRequest: () => reply(${status}, '${text}', { 'x-why': 'because' }) })`
    const sections = {
      listeners: { web: { http: ['2'] } },
      routes: { all: { policies: ['p'] } },
      policies: { p: { plugin: 'p', options: {} } },
    }
    const gateway = await startInProcess(httpConfig([1], sections), { 'plugins/p/index.js': plugin })
    const peer = await openRaw(gateway.port('web'))
    peer.send(...call())
    const { fields } = await peer.answer(1)
    const shown = [':status', 'grpc-status', 'grpc-message', 'x-why'].map((name) => fieldOf(fields, name))
    expect(shown).toEqual(['200', expected, text, 'because'])
  })
})

test('a call that its client cancels is cancelled at the backend', async () => {
  const { gateway, backend } = await start(never)
  const peer = await openRaw(gateway.port('web'))
  peer.send(...call())
  await until('the call at the backend', () => backend.peers[0]?.frames.some(({ isEnd }) => isEnd) === true)
  peer.send(rst(1, 8))
  expect((await backend.peers[0]!.until('RST_STREAM')).code).toBe(8)
  expect(await accessRecord(gateway)).toMatchObject({ outcome: 'DC', status: 0 })
})

test('a head alone of the backend stays one, and trailers stay trailers', async () => {
  const { gateway } = await start((peer, { stream, isEnd }) => {
    if (!isEnd) return
    const head = [':status', '200', ...grpc]
    if (stream === 1) peer.send(headers(stream, [...head, 'grpc-status', '5'], { end: true }))
    else
      peer.send(headers(stream, head), data(stream, '\0\0\0\0\0'), headers(stream, ['grpc-status', '0'], { end: true }))
  })
  const peer = await openRaw(gateway.port('web'))
  peer.send(...call())
  expect(fieldOf((await peer.answer(1)).fields, 'grpc-status')).toBe('5')
  expect(peer.frames.filter(({ stream, name }) => stream === 1 && name === 'DATA')).toEqual([])
  peer.send(...call([], 3))
  const { fields, trailers } = await peer.answer(3)
  expect([fieldOf(fields, 'grpc-status'), fieldOf(trailers, 'grpc-status')]).toEqual([undefined, '0'])
  const records = (): unknown[] => gateway.log.filter(({ msg }) => msg === 'request').map((one) => one.grpcStatus)
  await until('two records', () => records().length === 2)
  expect(records()).toEqual([5, 0])
})
