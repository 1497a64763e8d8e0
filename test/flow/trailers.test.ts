import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { ok, rawBackend } from '../http1/raw-backend.ts'
import { accessRecord, exchange, plain } from './wire.ts'

const bodies = readFileSync(join(import.meta.dirname, '../fixtures/plugins/bodies.ts'), 'utf8')
const mark = readFileSync(join(import.meta.dirname, '../fixtures/plugins/mark.ts'), 'utf8')

const upper = `
import { definePlugin } from 'postern/sdk'
const raise = (bytes) => bytes.map((byte) => (byte >= 97 && byte <= 122 ? byte - 32 : byte))
export default definePlugin({
  name: 'upper',
  writes: ['body', 'response.body'],
  onRequestBody: ({ chunk }) => raise(chunk.bytes),
  onResponseBody: ({ chunk }) => raise(chunk.bytes),
})`

/** A gateway with these policies. */
function startWith(port: number, policies: { [name: string]: Json } = {}): Promise<TestGateway> {
  const config = httpConfig([port], { routes: { all: { policies: Object.keys(policies) } }, policies })
  const files = { bodies, mark, upper }
  return startInProcess(
    config,
    Object.fromEntries(Object.entries(files).map(([name, text]) => [`plugins/${name}/index.ts`, text])),
  )
}

const post = 'POST / HTTP/1.1\r\nhost: h\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n'
const chunk = '5\r\nhello\r\n'
const get = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'
const head = 'HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n'

/** Sends one request, gives back what the backend saw. */
async function seenBy(policies: { [name: string]: Json }, bytes: string): Promise<string> {
  const backend = await rawBackend((socket, seen) => {
    if (/\r\n\r\n(?:.*\r\n\r\n|taken)$/s.test(seen)) socket.write(ok)
  })
  const gateway = await startWith(backend.port, policies)
  const { text } = await exchange(gateway.port('web'), bytes, /ok/i)
  expect(text).toMatch(/^HTTP\/1\.1 200 /)
  expect(await accessRecord(gateway)).toMatchObject({ status: 200, outcome: '' })
  return plain(backend.seen.join())
}

/** Has one request answered so, gives back what the client got. */
async function gotFrom(
  policies: { [name: string]: Json },
  answer: string,
  end: string,
  request = get,
): Promise<string> {
  const backend = await rawBackend((socket, seen) => void (seen.endsWith('\r\n\r\n') && socket.write(answer)))
  const gateway = await startWith(backend.port, policies)
  const { text } = await exchange(gateway.port('web'), request, end)
  expect(await accessRecord(gateway)).toMatchObject({ status: 200, outcome: '' })
  return plain(text)
}

/** Lines that would frame the message anew. */
const framing = ['content-length: 3', 'transfer-encoding: chunked']

/** Lines that must not come as trailers, since they belong in a head that somebody has judged. */
const forbidden = [
  ...['host: other', 'authorization: Basic eDp5', 'cookie: a=b', 'te: trailers', 'expect: 100-continue'],
  ...[
    'x-forwarded-for: 1.2.3.4',
    'forwarded: for=1.2.3.4',
    'x-real-ip: 1.2.3.4',
    'x-request-id: 1',
    'connection: x-sum',
  ],
]

describe('trailers of a request', () => {
  it('reach the backend after the body, and are no part of the head', async () => {
    const seen = await seenBy({}, `${post}${chunk}0\r\nx-sum: 1\r\nx-sum: 2\r\n\r\n`)
    expect(seen).toBe(`${post}${chunk}0\r\nx-sum: 1\r\nx-sum: 2\r\n\r\n`)
  })

  test.each(forbidden)('lose %s', async (line) => {
    const seen = await seenBy({}, `${post}${chunk}0\r\n${line}\r\nx-sum: 1\r\n\r\n`)
    expect(seen).toBe(`${post}${chunk}0\r\nx-sum: 1\r\n\r\n`)
  })

  test.each(framing)('are refused with %s', async (line) => {
    const backend = await rawBackend(() => {})
    const gateway = await startWith(backend.port)
    const got = await exchange(gateway.port('web'), `${post}${chunk}0\r\n${line}\r\n\r\n`, '}')
    await until('the end', () => got.end)
    expect(got.text).toMatch(/^HTTP\/1\.1 400 /)
    await until('the backend to be left', () => backend.sockets.size === 0)
    expect(backend.seen.join()).not.toMatch(/\r\n0\r\n/)
  })

  it('lose what a policy may write in the head, and its alias with an underscore', async () => {
    const policies = { mark: { plugin: 'mark', options: { label: 'm', writes: ['header:x-consumer'] } } }
    const seen = await seenBy(
      policies,
      `${post}${chunk}0\r\nX-Consumer: admin\r\nx_consumer: admin\r\nx-sum: 1\r\n\r\n`,
    )
    expect(seen).toBe(`${post.replace('transfer', 'x-consumer: m()\r\ntransfer')}${chunk}0\r\nx-sum: 1\r\n\r\n`)
  })

  it('go on after a body that was held', async () => {
    const policies = { bodies: { plugin: 'bodies', options: { reads: ['body:buffer:10'] } } }
    const seen = await seenBy(policies, `${post}${chunk}0\r\nx-sum: 1\r\n\r\n`)
    expect(seen).toBe(`${post.replace('transfer', 'x-held: hello\r\ntransfer')}${chunk}0\r\nx-sum: 1\r\n\r\n`)
  })

  it('go on after a body that changed on its way', async () => {
    const seen = await seenBy({ upper: { plugin: 'upper' } }, `${post}${chunk}0\r\nx-sum: 1\r\n\r\n`)
    expect(seen).toBe(`${post}${chunk.toUpperCase()}0\r\nx-sum: 1\r\n\r\n`)
  })

  test.each([
    ['unread', []],
    ['read', ['body:buffer:10']],
  ])('go with a body that another replaces, %s', async (_what, reads) => {
    const policies = { bodies: { plugin: 'bodies', options: { reads, request: 'taken' } } }
    const seen = await seenBy(policies, `${post}${chunk}0\r\nx-sum: 1\r\n\r\n`)
    const held = reads.length > 0 ? 'x-held: hello\r\n' : ''
    expect(seen).toBe(`POST / HTTP/1.1\r\nhost: h\r\n${held}content-length: 5\r\n\r\ntaken`)
  })
})

describe('trailers of a response', () => {
  test.each([
    ['that did not ask for them', get, get],
    [
      'that sent TE',
      get.replace('\r\n\r\n', '\r\nte: gzip, trailers;q=1, trailers\r\nconnection: te\r\n\r\n'),
      get.replace('\r\n\r\n', '\r\nte: trailers\r\nconnection: te\r\n\r\n'),
    ],
  ])('reach a client %s', async (_what, request, seen) => {
    const backend = await rawBackend((socket) => void socket.write(`${head}${chunk}0\r\nx-sum: 1\r\n\r\n`))
    const gateway = await startWith(backend.port)
    const { text } = await exchange(gateway.port('web'), request, '\r\nx-sum: 1\r\n\r\n')
    expect(plain(text)).toBe(`${head}${chunk}0\r\nx-sum: 1\r\n\r\n`)
    expect(plain(backend.seen.join())).toBe(seen)
  })

  test.each([...forbidden, 'set-cookie: a=b', 'date: now', 'content-type: text/html'])('lose %s', async (line) => {
    const text = await gotFrom({}, `${head}${chunk}0\r\n${line}\r\nx-sum: 1\r\n\r\n`, '\r\nx-sum: 1\r\n\r\n')
    expect(text).toBe(`${head}${chunk}0\r\nx-sum: 1\r\n\r\n`)
  })

  test.each(framing)('lose %s, and their connection is not used again', async (line) => {
    const backend = await rawBackend((socket) => void socket.write(`${head}${chunk}0\r\n${line}\r\nx-sum: 1\r\n\r\n`))
    const gateway = await startWith(backend.port)
    for (const connections of [1, 2]) {
      const { text } = await exchange(gateway.port('web'), get, '\r\nx-sum: 1\r\n\r\n')
      expect(plain(text)).toBe(`${head}${chunk}0\r\nx-sum: 1\r\n\r\n`)
      expect(backend.seen).toHaveLength(connections)
    }
  })

  it('lose what a policy may write in the head', async () => {
    const policies = { mark: { plugin: 'mark', options: { label: 'm', writes: ['response.header:x-by'] } } }
    const text = await gotFrom(policies, `${head}${chunk}0\r\nX-By: b\r\nx-sum: 1\r\n\r\n`, '\r\nx-sum: 1\r\n\r\n')
    expect(text).toBe(`${head.replace('transfer', 'x-by: m(m();)\r\ntransfer')}${chunk}0\r\nx-sum: 1\r\n\r\n`)
  })

  it('go on after a body that was held or changed on its way', async () => {
    const policies = {
      bodies: { plugin: 'bodies', options: { reads: ['response.body:buffer:10'] } },
      upper: { plugin: 'upper' },
    }
    const text = await gotFrom(policies, `${head}${chunk}0\r\nx-sum: 1\r\n\r\n`, '\r\nx-sum: 1\r\n\r\n')
    expect(text).toBe(
      `${head.replace('transfer', 'x-status: 200\r\ntransfer')}${chunk.toUpperCase()}0\r\nx-sum: 1\r\n\r\n`,
    )
  })

  it('go with a body that another replaces', async () => {
    const policies = { bodies: { plugin: 'bodies', options: { response: 'taken' } } }
    const text = await gotFrom(policies, `${head}${chunk}0\r\nx-sum: 1\r\n\r\n`, 'taken')
    expect(text).toBe('HTTP/1.1 200 OK\r\nx-status: 200\r\ncontent-length: 5\r\n\r\ntaken')
  })

  it('stop at a client that cannot take chunks', async () => {
    const backend = await rawBackend((socket) => void socket.write(`${head}${chunk}0\r\nx-sum: 1\r\n\r\n`))
    const gateway = await startWith(backend.port)
    const got = await exchange(gateway.port('web'), get.replace('1.1', '1.0'), 'hello')
    await until('the end', () => got.end)
    expect(plain(got.text)).toBe('HTTP/1.1 200 OK\r\ntrailer: x-sum\r\nconnection: close\r\n\r\nhello')
  })
})
