import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { areRawSocketsUsable } from '../../core/net/raw-check.ts'
import { tcpBackend } from '../helpers/backend.ts'
import { until } from '../helpers/until.ts'
import { answering, collect, dateless, ok, rawBackend } from './raw-backend.ts'
import { startRelay } from './relay.ts'
import { tls } from './tls-transport.ts'
import { carryBy, open, reset } from './transport.ts'

carryBy(tls)

const get = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'
const size = 10 * 1024 * 1024
const content = Buffer.from(Uint32Array.from({ length: size / 4 }, (_, i) => Math.imul(i, 2654435761)).buffer)
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

// The codec must not notice what carries it: the tests of TCP, over TLS on both sides.
describe('over TLS', async () => {
  await import('./relay.test.ts')
  await import('./failures.test.ts')
  await import('./tunnel.test.ts')
  await import('./half-close.test.ts')
  await import('./reuse.test.ts')
  await import('./time-and-space.test.ts')
})

describe('a body of 10 MB over TLS', () => {
  test('comes to the client byte for byte, however slowly it reads', async () => {
    const backend = await rawBackend((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`)
      socket.write(content)
    })
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const read = slowly(client)
    client.write(get)
    await until('all of it', () => read.length() > size, 30_000)
    const all = read.bytes()
    expect(digest(all.subarray(all.indexOf('\r\n\r\n') + 4))).toBe(digest(content))
    await until('the end', () => relay.ends[0] === 'sent')
    expect(relay.pool.idle).toBe(1)
  })

  test('comes to the backend byte for byte, in chunks and however slowly it reads', async () => {
    let read: SlowReader | undefined
    let answer: ((bytes: string) => void) | undefined
    const backend = await tcpBackend((socket) => {
      read = slowly(socket)
      answer = (bytes) => void socket.write(bytes)
    }, tls.createServer)
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write('POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n')
    client.write(`${size.toString(16)}\r\n`)
    client.write(content)
    client.write('\r\n0\r\n\r\n')
    await until('all of it', () => read?.last().endsWith('\r\n0\r\n\r\n'), 30_000)
    const all = read!.bytes()
    expect(digest(dechunked(all.subarray(all.indexOf('\r\n\r\n') + 4)))).toBe(digest(content))
    answer!(ok)
    await until('the answer', () => got.text.endsWith('ok'))
  })
})

describe('RFC 9112 §9.8: the end of a TLS connection', () => {
  const endless = 'HTTP/1.1 200 OK\r\n\r\nhello'

  test.runIf(areRawSocketsUsable())('completes a response without a length, with close_notify', async () => {
    const backend = await rawBackend((socket) => void socket.end(endless))
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(get)
    await until('the end', () => got.text.endsWith('\r\n0\r\n\r\n'))
    expect(got.text).toContain('hello')
    expect(relay.ends[0]).toBe('sent')
    expect(relay.pool.idle).toBe(0)
  })

  const ways: [string, (socket: Socket) => void][] = [['without close_notify', (socket) => void socket.destroy()]]
  // Sockets of node end in the same way with and without it.
  if (!areRawSocketsUsable()) ways.push(['with it, by a socket of node', (socket) => void socket.end()])

  test.each(ways)('does not complete a response without a length, %s', async (_what, leave) => {
    const backend = await rawBackend((socket) => void socket.write(endless, () => leave(socket)))
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(get)
    await until('the end', () => got.end)
    expect(got.end).toBe('reset')
    expect(got.text).toContain('hello')
    expect(got.text).not.toContain('\r\n0\r\n')
    expect(relay.ends[0]).toBe('UC')
    expect(relay.pool.idle).toBe(0)
  })

  test('is announced to the client whose response ends with it', async () => {
    const backend = await answering('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n')
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write('GET / HTTP/1.0\r\nhost: h\r\n\r\n')
    await until('the end', () => got.end)
    expect(dateless(got.text)).toBe('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello')
    expect(got.end).toBe('fin')
  })

  test('is not, when that response was cut short', async () => {
    const backend = await rawBackend((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n', () => socket.end())
    })
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write('GET / HTTP/1.0\r\nhost: h\r\n\r\n')
    await until('the end', () => got.end)
    expect(got.text).toContain('hello')
    expect(got.end).toBe('reset')
  })

  test.each([
    ['the client', 'a cut', (client: Socket, _backend: Socket) => void client.destroy()],
    ['the client', 'a reset', (client: Socket, _backend: Socket) => reset(client)],
    ['the backend', 'a reset', (_client: Socket, backend: Socket) => reset(backend)],
  ])('in a tunnel: %s leaves by %s, and nothing is left of it', async (_who, _how, leave) => {
    const backend = await answering('HTTP/1.1 101 S\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n')
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write('GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
    await until('the tunnel', () => got.text.endsWith('\r\n\r\n'))
    const [there] = backend.sockets
    leave(client, there!)
    await until('nothing left', () => backend.sockets.size === 0 && relay.connections.size === 0)
    expect(relay.ends).toEqual(['sent'])
  })
})

interface SlowReader {
  length(): number
  /** The last bytes of all. */
  last(): string
  bytes(): Buffer
}

/** Reads and rests by turns. */
function slowly(socket: Socket): SlowReader {
  const chunks: Buffer[] = []
  let length = 0
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    length += chunk.length
    if (chunks.length % 32 !== 0) return
    socket.pause()
    setImmediate(() => socket.resume())
  })
  return {
    length: () => length,
    last: () => Buffer.concat(chunks.slice(-2)).toString('latin1').slice(-16),
    bytes: () => Buffer.concat(chunks),
  }
}

function dechunked(body: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const end = body.indexOf('\r\n', at)
    const length = Number.parseInt(body.toString('latin1', at, end), 16)
    if (length === 0) return Buffer.concat(parts)
    parts.push(body.subarray(end + 2, end + 2 + length))
    at = end + 4 + length
  }
}
