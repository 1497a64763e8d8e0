import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { open } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { answering, collect, ok, rawBackend } from '../http1/raw-backend.ts'
import { accessRecord, arrived, exchange, plain } from './wire.ts'

const bodies = readFileSync(join(import.meta.dirname, '../fixtures/plugins/bodies.ts'), 'utf8')

/** A gateway whose one policy does what the options say. */
function startWith(port: number, options: { [name: string]: Json } = {}, upstream: Json = {}): Promise<TestGateway> {
  const config = httpConfig([port], {
    routes: { all: { policies: ['bodies'] } },
    policies: { bodies: { plugin: 'bodies', options } },
    upstreams: { app: upstream },
  })
  return startInProcess(config, { 'plugins/bodies/index.ts': bodies })
}

const get = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'
const early = 'HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n'
const final = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n'

describe('an interim response', () => {
  test.each([
    ['103 with its fields', `${early}\r\n`, `${early}\r\n`],
    ['103 without what was meant for one connection', `${early}Connection: x-hop\r\nX-Hop: 1\r\n\r\n`, `${early}\r\n`],
    ['103 never with a length', `${early}Content-Length: 0\r\n\r\n`, `${early}\r\n`],
    ['102', 'HTTP/1.1 102 Busy\r\n\r\n', 'HTTP/1.1 102 Processing\r\n\r\n'],
    ['100 that nobody asked for', 'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['one that nobody knows', 'HTTP/1.1 199 Wait\r\nx-a: b\r\n\r\n', 'HTTP/1.1 199 \r\nx-a: b\r\n\r\n'],
    [
      'several, in order',
      `${early}\r\nHTTP/1.1 102 P\r\n\r\n${early}\r\n`,
      `${early}\r\nHTTP/1.1 102 Processing\r\n\r\n${early}\r\n`,
    ],
  ])('goes to the client, %s, and no policy sees it', async (_what, sent, got) => {
    const backend = await answering(sent + ok)
    const gateway = await startWith(backend.port)
    const { text } = await exchange(gateway.port('web'), get, '\r\n\r\nok')
    expect(plain(text)).toBe(
      `${got}${final.replace('content-length: 2\r\n', '')}x-status: 200\r\ncontent-length: 2\r\n\r\nok`,
    )
    expect(plain(backend.seen.join())).toBe(get)
    expect(await accessRecord(gateway)).toMatchObject({ status: 200, outcome: '', bytesOut: 2 })
  })

  it('never goes to an HTTP/1.0 client', async () => {
    const backend = await answering(`${early}\r\nHTTP/1.1 100 C\r\n\r\n${ok}`)
    const gateway = await startWith(backend.port)
    const { text } = await exchange(gateway.port('web'), get.replace('1.1', '1.0'), 'ok')
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(plain(backend.seen.join())).toBe(get)
  })

  it('is there before the backend has answered', async () => {
    const backend = await answering(`${early}\r\n`)
    const gateway = await startWith(backend.port)
    const { text } = await exchange(gateway.port('web'), get, '\r\n\r\n')
    expect(text).toBe(`${early}\r\n`)
    for (const socket of backend.sockets) socket.write(ok)
    expect(await accessRecord(gateway)).toMatchObject({ status: 200 })
  })

  it('gives a slow backend time anew', async () => {
    const backend = await rawBackend((socket) => {
      let told = 0
      const timer = setInterval(() => {
        if (told++ < 15) return socket.write('HTTP/1.1 102 P\r\n\r\n')
        clearInterval(timer)
        socket.write(ok)
      }, 100)
    })
    const gateway = await startWith(backend.port, {}, { timeouts: { response: '1s' } })
    const { text } = await exchange(gateway.port('web'), get, 'ok')
    expect(text.match(/HTTP\/1\.1 102 /g)).toHaveLength(15)
  })

  it('a flood of them ends in 502', async () => {
    const backend = await answering(`${early}\r\n`.repeat(33) + ok)
    const gateway = await startWith(backend.port)
    const { text } = await exchange(gateway.port('web'), get, '}')
    expect(text.startsWith(`${early}\r\n`.repeat(32) + 'HTTP/1.1 502 ')).toBe(true)
    expect(await accessRecord(gateway)).toMatchObject({ status: 502, outcome: 'UPE' })
    await until('the backend to be left', () => backend.sockets.size === 0)
  })
})

const post = 'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n'
/** As the gateway writes it: the framing comes last. */
const forwarded = 'POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n'
const go = 'HTTP/1.1 100 Continue\r\n\r\n'

describe('Expect: 100-continue', () => {
  it('goes to the backend, whose 100 is what the client gets', async () => {
    const backend = await rawBackend((socket, seen) => void (seen.endsWith('hello') && socket.write(ok)))
    const gateway = await startWith(backend.port)
    const client = await open(gateway.port('web'))
    const got = collect(client)
    client.write(post)
    await until('the head', () => backend.seen[0]?.endsWith('\r\n\r\n'))
    expect(got.text).toBe('')
    for (const socket of backend.sockets) socket.write('HTTP/1.1 100 Sure\r\nx-a: b\r\n\r\n')
    await arrived(got, '\r\n\r\n')
    expect(got.text).toBe('HTTP/1.1 100 Continue\r\nx-a: b\r\n\r\n')
    expect(plain(backend.seen.join())).toBe(forwarded)
    client.write('hello')
    await arrived(got, 'ok')
    expect(plain(backend.seen.join())).toBe(`${forwarded}hello`)
    expect(got.text.match(/HTTP\/1\.1 100/g)).toHaveLength(1)
    expect(await accessRecord(gateway)).toMatchObject({ status: 200, bytesIn: 5 })
  })

  it('a backend that says nothing gets the body after a while', async () => {
    const backend = await rawBackend((socket, seen) => void (seen.endsWith('hello') && socket.write(ok)))
    const gateway = await startWith(backend.port)
    const client = await open(gateway.port('web'))
    const got = collect(client)
    client.write(post)
    await arrived(got, go)
    client.write('hello')
    await arrived(got, 'ok')
    expect(plain(backend.seen.join())).toBe(`${forwarded}hello`)
  })

  it('a final response instead reaches the client, and nobody waits for the body', async () => {
    const backend = await answering('HTTP/1.1 401 No\r\ncontent-length: 2\r\n\r\nno')
    const gateway = await startWith(backend.port)
    const got = await exchange(gateway.port('web'), post, 'no')
    await until('the end', () => got.end)
    expect(plain(got.text)).toBe('HTTP/1.1 401 No\r\nx-status: 401\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno')
    expect(plain(backend.seen.join())).toBe(forwarded)
    await until('the backend to be left', () => backend.sockets.size === 0)
  })

  it('a policy that refuses sends no 100, and the backend hears nothing', async () => {
    const backend = await answering(ok)
    const gateway = await startWith(backend.port, { refuse: true })
    const got = await exchange(gateway.port('web'), post, 'no')
    await until('the end', () => got.end)
    expect(got.text).toMatch(/^HTTP\/1\.1 403 /)
    expect(got.text).toContain('connection: close')
    expect(backend.seen).toEqual([])
  })

  it('a policy that wants the body has the gateway ask for it; the backend then need not be asked', async () => {
    const backend = await rawBackend((socket, seen) => void (seen.endsWith('hello') && socket.write(ok)))
    const gateway = await startWith(backend.port, { reads: ['body:buffer:10'] })
    const client = await open(gateway.port('web'))
    const got = collect(client)
    client.write(post)
    await arrived(got, go)
    expect(backend.seen).toEqual([])
    client.write('hello')
    await arrived(got, 'ok')
    expect(got.text.match(/HTTP\/1\.1 100/g)).toHaveLength(1)
    expect(plain(backend.seen.join())).toBe(
      forwarded.replace('expect: 100-continue', 'x-held: hello').replace(/$/, 'hello'),
    )
  })

  it('a body that another one replaced unread is not waited for', async () => {
    const backend = await rawBackend((socket, seen) => void (seen.endsWith('other') && socket.write(ok)))
    const gateway = await startWith(backend.port, { request: 'other' })
    const got = await exchange(gateway.port('web'), post, 'ok')
    await until('the end', () => got.end)
    expect(got.text).toMatch(/^HTTP\/1\.1 200 /)
    expect(got.text).toContain('connection: close')
    expect(plain(backend.seen.join())).toBe(`${forwarded.replace('expect: 100-continue\r\n', '')}other`)
  })

  test.each([
    ['from HTTP/1.0', `${post.replace('1.1', '1.0')}hello`, 'content-length: 5\r\n\r\nhello'],
    ['without a body', get.replace('\r\n\r\n', '\r\nexpect: 100-continue\r\n\r\n'), '\r\n\r\n'],
  ])('%s means nothing', async (_what, bytes, end) => {
    const backend = await rawBackend((socket, seen) => void (seen.endsWith(end) && socket.write(ok)))
    const gateway = await startWith(backend.port)
    const { text } = await exchange(gateway.port('web'), bytes, 'ok')
    expect(text).toMatch(/^HTTP\/1\.1 200 /)
    expect(backend.seen.join()).not.toContain('expect')
  })

  test.each([
    ['something else', post.replace('100-continue', 'a-miracle')],
    ['something else besides', post.replace('\r\n\r\n', '\r\nexpect: 100-continue\r\n\r\n')],
    ['something else, without a body', get.replace('\r\n\r\n', '\r\nexpect: a-miracle\r\n\r\n')],
  ])('%s is 417', async (_what, bytes) => {
    const backend = await answering(ok)
    const gateway = await startWith(backend.port)
    const got = await exchange(gateway.port('web'), bytes, '}')
    await until('the end', () => got.end)
    expect(got.text).toMatch(/^HTTP\/1\.1 417 /)
    expect(backend.seen).toEqual([])
    expect(await accessRecord(gateway)).toMatchObject({ status: 417, outcome: 'DPE' })
  })
})
