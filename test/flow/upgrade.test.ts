import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { describe, expect, it, test } from 'vitest'
import { open, testInClear } from '../helpers/client.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { answering, collect, ok, rawBackend } from '../http1/raw-backend.ts'
import { agree, agreed, ask, asked, echo, echoing, ordinary, startWith, tunnelTo } from './tunnels.ts'
import { accessRecord, arrived, exchange, plain } from './wire.ts'

describe('an upgrade', () => {
  it('makes a tunnel of a 101, after every policy had its say; the record comes with its end', async () => {
    const backend = await rawBackend((socket, seen) => {
      if (seen.endsWith('\r\n\r\n')) socket.write(`${agree}first`)
      if (seen.endsWith('\x00\xff')) socket.write('\x81\x02ok', 'latin1')
    })
    const gateway = await startWith(backend.port)
    const client = await open(gateway.port('web'))
    const got = collect(client)
    client.write(`${ask}ahead`)
    await arrived(got, 'first')
    client.write('\x00\xff', 'latin1')
    await arrived(got, 'ok')
    expect(plain(got.text)).toBe(`${agreed}first\x81\x02ok`)
    expect(plain(backend.seen.join())).toBe(`${asked}ahead\x00\xff`)
    expect(gateway.log.filter(({ msg }) => msg === 'request')).toEqual([])
    expect(gateway.gateway.active).toBe(1)
    client.end()
    const record = await accessRecord(gateway)
    expect(record).toMatchObject({ status: 101, outcome: '', bytesIn: 7, bytesOut: 9, path: '/chat', route: 'all' })
    expect(record.phases).toMatchObject({ connect: expect.any(Number), head: expect.any(Number) })
    expect(record.phases).toHaveProperty('body')
    expect(Object.keys(record.hooks as object)).toEqual(['bodies.onRequest', 'bodies.onResponse'])
    await until('nothing left', () => got.end === 'fin' && backend.sockets.size === 0 && gateway.gateway.active === 0)
  })

  testInClear('carries a WebSocket', async () => {
    const backend = await rawBackend((socket, seen) => {
      const end = seen.indexOf('\r\n\r\n') + 4
      if (seen.length === end) {
        const key = /sec-websocket-key: (\S+)/i.exec(seen)![1]!
        const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
        socket.write(agree.replace('x-key: k', `Sec-WebSocket-Accept: ${accept}`))
        return
      }
      const frame = Buffer.from(seen.slice(end), 'latin1')
      if (frame.length < 6 + (frame[1]! & 0x7f)) return
      // RFC 6455 §5.2: what a client sends is masked, what a server sends is not.
      const payload = frame.subarray(6, 6 + (frame[1]! & 0x7f)).map((byte, i) => byte ^ frame[2 + (i & 3)]!)
      if (frame.length === 6 + payload.length) socket.write(Buffer.from([frame[0]!, payload.length, ...payload]))
      else socket.end(Buffer.from([0x88, 2, 3, 232]))
    })
    const gateway = await startWith(backend.port)
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port('web')}/chat`)
    const events: string[] = []
    socket.onopen = () => socket.send('Grüße')
    socket.onmessage = ({ data }) => {
      events.push(String(data))
      socket.close(1000)
    }
    socket.onclose = ({ code, wasClean }) => void events.push(`${code} ${wasClean}`)
    await until('the close', () => events.length === 2)
    expect(events).toEqual(['Grüße', '1000 true'])
    expect(plain(backend.seen[0]!)).toMatch(/^GET \/chat HTTP\/1\.1\r\nhost: 127.*sec-websocket-version: 13\r\n/is)
    expect(await accessRecord(gateway)).toMatchObject({ status: 101, outcome: '' })
  })

  const started = '{"Detach":false,"Tty":false}\n'

  test.each([
    ['kubectl exec', '/api/v1/namespaces/n/pods/p/exec?command=sh', 'SPDY/3.1', 'Content-Length: 0\r\n\r\n', ''],
    ['docker attach', '/v1.43/containers/x/attach?stream=1', 'tcp', '\r\n', ''],
    ['docker exec', '/v1.43/exec/x/start', 'tcp', `Content-Length: ${started.length}\r\n\r\n${started}`, started],
  ])('carries %s, which asks with a POST', async (_what, target, protocol, rest, body) => {
    const backend = await rawBackend((socket, seen) => {
      if (seen.endsWith(`\r\n\r\n${body}`)) socket.write(agree.replace('websocket', protocol))
      if (seen.endsWith('whoami\n')) socket.write('root\n')
    })
    const gateway = await startInProcess(httpConfig([backend.port]))
    const client = await open(gateway.port('web'))
    const got = collect(client)
    client.write(`POST ${target} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n${rest}`)
    await arrived(got, /^HTTP\/1\.1 101 .*\r\n\r\n$/s)
    client.write('whoami\n')
    await arrived(got, /\r\n\r\nroot\n$/)
    expect(backend.seen[0]).toContain(`\r\nconnection: upgrade\r\nupgrade: ${protocol}\r\n`)
    // The input of the command ends; its output may still come.
    client.end()
    expect(await accessRecord(gateway)).toMatchObject({ status: 101, outcome: '', method: 'POST' })
  })

  it('goes upstream with a body that a policy gave it', async () => {
    const backend = await rawBackend((socket, seen) => void (seen.endsWith('given') && socket.write(agree)))
    const gateway = await startWith(backend.port, { request: 'given' })
    await exchange(gateway.port('web'), ask, /^HTTP\/1\.1 101 /)
    expect(plain(backend.seen.join())).toBe(
      asked.replace('\r\n\r\n', '\r\n\r\ngiven').replace('connection:', 'content-length: 5\r\nconnection:'),
    )
  })

  it('is possible on a connection that carried requests before', async () => {
    const backend = await rawBackend((socket, seen) => {
      if (seen.endsWith('websocket\r\n\r\n')) socket.write(agree)
      else if (seen.endsWith('\r\n\r\n')) socket.write(ok)
      else socket.write('heard')
    })
    const gateway = await startWith(backend.port)
    const client = await open(gateway.port('web'))
    const got = collect(client)
    client.write(ordinary)
    await arrived(got, 'ok')
    client.write(ask)
    await arrived(got, agreed)
    client.write('GET /secret HTTP/1.1\r\n')
    await arrived(got, 'heard')
    expect(plain(backend.seen.join())).toBe(`${ordinary}${asked}GET /secret HTTP/1.1\r\n`)
    client.end()
    await until('the end', () => backend.sockets.size === 0)
    expect(gateway.log.filter(({ msg }) => msg === 'request').map(({ status }) => status)).toEqual([200, 101])
  })

  test.each([
    ['a client that ends', 'end', 'client', '', 'fin'],
    ['a client that breaks off', 'resetAndDestroy', 'client', 'DC', undefined],
    ['a backend that ends', 'end', 'backend', '', 'fin'],
    ['a backend that breaks off', 'resetAndDestroy', 'backend', 'UR', 'reset'],
  ] as const)('ends as it is ended, by %s', async (_what, how, who, outcome, seen) => {
    const backend = await echoing()
    const gateway = await startWith(backend.port)
    const { client, got } = await tunnelTo(gateway)
    client.on('end', () => client.end())
    const ending = who === 'client' ? client : [...backend.sockets][0]!
    ending[how]()
    expect(await accessRecord(gateway)).toMatchObject({ outcome, bytesIn: 0, bytesOut: 0 })
    await until('nothing left', () => backend.sockets.size === 0 && gateway.gateway.active === 0)
    if (seen !== undefined) await until('the end at the client', () => got.end === seen)
  })

  test.each([
    ['a client', 'DC'],
    ['a backend', 'UR'],
  ])('is survived by the gateway when %s breaks off while a policy thinks about the 101', async (who, outcome) => {
    const slow = `
      import { definePlugin } from 'postern/sdk'
      export default definePlugin({
        name: 'slow',
        needs: ['digest'],
        writes: ['response.header:x-slow'],
        async onResponse({ digest, response }) {
          for (let i = 0; i < 20; i++) await digest.sha256(String(i))
          response.setHeader('x-slow', 'yes')
        },
      })`
    let client: Socket | undefined
    const backend = await rawBackend((socket) => {
      socket.write(agree)
      setTimeout(() => (who === 'a client' ? client! : socket).resetAndDestroy(), 5)
    })
    const config = httpConfig([backend.port], {
      routes: { all: { policies: ['slow'] } },
      policies: { slow: { plugin: 'slow' } },
    })
    const gateway = await startInProcess(config, { 'plugins/slow/index.ts': slow })
    client = await open(gateway.port('web'))
    client.write(ask)
    client.resume()
    expect(await accessRecord(gateway)).toMatchObject({ outcome })
    await until('nothing left', () => backend.sockets.size === 0 && gateway.gateway.active === 0)
    const [one] = gateway.gateway.snapshot.upstreams.get('app')!.backends
    expect(one!.active).toBe(0)
  })

  it('keeps its backend counted for as long as it lasts', async () => {
    const backend = await echoing()
    const gateway = await startWith(backend.port)
    const { client } = await tunnelTo(gateway)
    const [one] = gateway.gateway.snapshot.upstreams.get('app')!.backends
    expect(one!.active).toBe(1)
    client.end()
    await until('its release', () => one!.active === 0)
  })
})

describe('what is no upgrade', () => {
  it('a 200 is an ordinary response, and the next bytes are a request that is judged (CVE-2024-23326)', async () => {
    const backend = await answering(ok)
    const gateway = await startWith(backend.port)
    const client = await open(gateway.port('web'))
    const got = collect(client)
    client.write(ask)
    await arrived(got, 'ok')
    expect(plain(got.text)).toBe('HTTP/1.1 200 OK\r\nx-status: 200\r\ncontent-length: 2\r\n\r\nok')
    client.write('GET /%2e%2e/admin HTTP/1.1\r\nhost: h\r\n\r\n')
    await arrived(got, /HTTP\/1\.1 400 /)
    expect(plain(backend.seen.join())).toBe(asked)
  })

  it('a refusal by a policy comes before the backend is asked (CVE-2026-44578)', async () => {
    const backend = await echoing()
    const gateway = await startWith(backend.port, { refuse: true })
    const { text } = await exchange(gateway.port('web'), `${ask}GET / HTTP/1.1\r\n`, 'no')
    expect(text).toMatch(/^HTTP\/1\.1 403 /)
    expect(backend.seen).toEqual([])
    expect(await accessRecord(gateway)).toMatchObject({ outcome: 'PD:bodies' })
  })

  test.each([
    ['a path that is not canonical', ask.replace('/chat', '/a/..%2fchat'), 400],
    ['no route', ask.replace('/chat', '/other'), 404],
    ['two hosts', ask.replace('host: h', 'host: h\r\nhost: h'), 400],
    ['a method that the route does not take', ask.replace('GET', 'OPTIONS'), 405],
  ])('is refused like every request: %s (CVE-2026-44578)', async (_what, bytes, status) => {
    const backend = await echoing()
    const match = { path: '/chat', methods: ['GET'] }
    const gateway = await startWith(backend.port, {}, { routes: { all: { match } } })
    const { text } = await exchange(gateway.port('web'), bytes, '}')
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(backend.seen).toEqual([])
  })

  test.each([
    ['h2c', ask.replace('websocket', 'h2c'), ordinary],
    [
      'h2c, its settings',
      ask.replace('Upgrade\r\nUpgrade: websocket', 'Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM'),
      ordinary,
    ],
    ['HTTP/2.0', ask.replace('websocket', 'HTTP/2.0'), ordinary],
    ['TLS/1.0', ask.replace('websocket', 'TLS/1.0'), ordinary],
    ['one of several', ask.replace('websocket', 'h2c, websocket'), ordinary],
    ['what is no protocol', ask.replace('websocket', 'web socket'), ordinary],
    ['without Connection', ask.replace(', Upgrade', ''), ordinary],
    ['from HTTP/1.0', ask.replace('1.1', '1.0'), ordinary],
  ])('is not passed on: %s', async (_what, bytes, seen) => {
    const backend = await rawBackend((socket) => void socket.write(ok))
    const gateway = await startWith(backend.port)
    const { text } = await exchange(gateway.port('web'), bytes, 'ok')
    expect(text).toMatch(/^HTTP\/1\.1 200 /)
    await until(
      () => JSON.stringify(plain(backend.seen.join())),
      () => plain(backend.seen.join()) === seen,
    )
  })

  it('is not passed on with a body that a policy gave it before its own had arrived', async () => {
    const backend = await rawBackend((socket, seen) => void (seen.endsWith('given') && socket.write(ok)))
    const gateway = await startWith(backend.port, { request: 'given' })
    await exchange(gateway.port('web'), ask.replace('\r\n\r\n', '\r\ncontent-length: 9\r\n\r\nhalf'), 'ok')
    expect(plain(backend.seen.join())).toBe(ordinary.replace('\r\n\r\n', '\r\ncontent-length: 5\r\n\r\ngiven'))
  })

  test.each([
    ['nobody asked for', ordinary, agree],
    ['to something else', ask, agree.replace('websocket', 'h2c')],
    ['without Upgrade', ask, agree.replace('Upgrade: websocket\r\n', '')],
    ['without Connection', ask, agree.replace('Connection: upgrade\r\n', '')],
  ])('a 101 %s is 502', async (_what, bytes, answer) => {
    const backend = await answering(`${answer}secret`)
    const gateway = await startWith(backend.port)
    const { text } = await exchange(gateway.port('web'), bytes, '}')
    expect(text).toMatch(/^HTTP\/1\.1 502 /)
    expect(text).not.toContain('secret')
    expect(await accessRecord(gateway)).toMatchObject({ status: 502, outcome: 'UPE' })
    await until('the backend to be left', () => backend.sockets.size === 0)
  })

  it('a policy that replaces the 101 refuses: the client gets its reply, the backend is left', async () => {
    const backend = await answering(`${agree}secret`)
    const gateway = await startWith(backend.port, { replace: true })
    const { text } = await exchange(gateway.port('web'), ask, 'teapot')
    expect(text).toMatch(/^HTTP\/1\.1 418 /)
    expect(text).not.toContain('upgrade')
    expect(text).not.toContain('secret')
    expect(await accessRecord(gateway)).toMatchObject({ status: 418 })
    await until('the backend to be left', () => backend.sockets.size === 0)
  })

  it('the body of a 101 is nobody’s to read or replace', async () => {
    const backend = await echoing()
    const gateway = await startWith(backend.port, { reads: ['response.body:buffer:10'], response: 'other' })
    await echo(await tunnelTo(gateway), 'hello')
    expect(plain(backend.seen.join())).toBe(`${asked}hello`)
  })
})
