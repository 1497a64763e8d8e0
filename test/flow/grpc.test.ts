import { describe, expect, test } from 'vitest'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { type RawBackend, rawBackend } from '../http1/raw-backend.ts'
import { accessRecord, exchange, plain } from './wire.ts'

const call = (fields = '', type = 'application/grpc'): string =>
  `POST /pkg.Service/Method HTTP/1.1\r\nhost: h\r\ncontent-type: ${type}\r\n${fields}content-length: 0\r\n\r\n`

interface Scene {
  readonly gateway: TestGateway
  readonly backend: RawBackend
}

/** @param answer of the backend; empty: none. */
async function start(answer: string, route: { [key: string]: Json } = {}): Promise<Scene> {
  const backend = await rawBackend((socket, seen) => {
    if (answer !== '' && seen.endsWith('\r\n\r\n')) socket.write(answer)
  })
  return { backend, gateway: await startInProcess(httpConfig([backend.port], { routes: { all: route } })) }
}

const withTrailers = (status: string): string =>
  'HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n' +
  `2\r\nok\r\n0\r\ngrpc-status: ${status}\r\n\r\n`

const headAlone =
  'HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 5\r\ngrpc-message: gone\r\ncontent-length: 0\r\n\r\n'

/** Answers with what it reads. */
const observer = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'observer',
  reads: ['grpc.status'],
  writes: ['response.header:x-seen'],
  needs: ['log'],
  onResponse({ response }) { response.setHeader('x-seen', String(response.grpcStatus)) },
  onClose({ grpcStatus, log }) { log.info('closed with ' + grpcStatus) },
})`

describe('the status of a call', () => {
  test.each([
    ['trailers', withTrailers('7'), 7],
    ['a head alone', headAlone, 5],
    ['trailers with something else', withTrailers('soon'), undefined],
  ])('of %s is in the record', async (_, answer, status) => {
    const { gateway } = await start(answer)
    await exchange(gateway.port('web'), call(), /\r\n\r\n$/)
    const record = await accessRecord(gateway)
    expect(record).toMatchObject({ status: 200, outcome: '' })
    expect(record.grpcStatus).toBe(status)
  })

  test('is not looked for in other responses', async () => {
    const { gateway } = await start(withTrailers('7'))
    await exchange(gateway.port('web'), call('', 'application/json'), /\r\n\r\n$/)
    expect(await accessRecord(gateway)).not.toHaveProperty('grpcStatus')
  })

  test.each([
    ['trailers', withTrailers('7'), 'undefined', '7'],
    ['a head alone', headAlone, '5', '5'],
  ])('of %s reaches policies', async (_, answer, inHead, atEnd) => {
    const config = { policies: ['o'] }
    const backend = await rawBackend((socket, seen) => seen.endsWith('\r\n\r\n') && socket.write(answer))
    const sections = { routes: { all: config }, policies: { o: { plugin: 'observer', options: {} } } }
    const gateway = await startInProcess(httpConfig([backend.port], sections), {
      'plugins/observer/index.js': observer,
    })
    const got = await exchange(gateway.port('web'), call(), /\r\n\r\n$/)
    expect(got.text).toContain(`x-seen: ${inHead}\r\n`)
    await gateway.record(({ msg }) => msg === `closed with ${atEnd}`)
  })
})

describe('grpc-timeout', () => {
  test('ends the call when the route has no limit', async () => {
    const { gateway } = await start('')
    const got = await exchange(gateway.port('web'), call('grpc-timeout: 20m\r\n'), /}$/)
    expect(got.text).toMatch(/^HTTP\/1\.1 504 /)
    const cause = 'the request took longer than the 20 ms that its grpc-timeout allows'
    expect(await accessRecord(gateway)).toMatchObject({ outcome: 'UT', cause })
  })

  test('does not extend what the route allows; the backend gets the smaller one', async () => {
    const { gateway, backend } = await start('', { timeout: '30ms' })
    await exchange(gateway.port('web'), call('grpc-timeout: 1H\r\n'), /}$/)
    const cause = 'the request took longer than the 30 ms that its route allows'
    expect(await accessRecord(gateway)).toMatchObject({ outcome: 'UT', cause })
    const [, left] = /grpc-timeout: (\d+)u\r\n/.exec(backend.seen.join())!
    expect(Number(left)).toBeLessThanOrEqual(30_000)
  })

  test('longer than a timer of node can wait is no limit', async () => {
    const { gateway, backend } = await start(headAlone)
    await exchange(gateway.port('web'), call('grpc-timeout: 99999999H\r\n'), /\r\n\r\n$/)
    expect(await accessRecord(gateway)).toMatchObject({ outcome: '' })
    expect(backend.seen.join()).toMatch(/grpc-timeout: 9999999\dH\r\n/)
  })

  test.each(['soon', '5', '123456789S', '1S\r\ngrpc-timeout: 2S'])('"%s" is refused', async (timeout) => {
    const { gateway, backend } = await start(headAlone)
    const got = await exchange(gateway.port('web'), call(`grpc-timeout: ${timeout}\r\n`), /}$/)
    expect(got.text).toMatch(/^HTTP\/1\.1 400 /)
    expect(got.text).toContain('grpc-timeout is not 1 to 8 digits followed by H, M, S, m, u or n')
    expect(await accessRecord(gateway)).toMatchObject({ outcome: 'DPE' })
    expect(backend.seen).toEqual([])
  })

  test('of a request that is no gRPC call is passed on as it is', async () => {
    const { gateway, backend } = await start(headAlone)
    await exchange(gateway.port('web'), call('grpc-timeout: soon\r\n', 'text/plain'), /\r\n\r\n$/)
    expect(backend.seen.join()).toContain('grpc-timeout: soon\r\n')
    await until('the record', () => gateway.log.some(({ msg }) => msg === 'request'))
  })
})

test.each([
  ['application/grpc-web', 'application/grpc-web+proto'],
  ['application/grpc-web-text+proto', 'application/grpc-web-text+proto'],
])('a client of %s gets the answers of the gateway as a head of gRPC', async (type, own) => {
  const { gateway } = await start('', { match: { path: '/other' } })
  const got = await exchange(gateway.port('web'), call('', type), /\r\n\r\n$/)
  expect(plain(got.text)).toBe(
    'HTTP/1.1 200 OK\r\nproxy-status: postern; error=destination_not_found\r\n' +
      `content-type: ${own}\r\ngrpc-status: 12\r\ngrpc-message: no route matches\r\ncontent-length: 0\r\n\r\n`,
  )
  expect(await accessRecord(gateway)).toMatchObject({ status: 200, grpcStatus: 12, outcome: 'NR' })
})
