import { describe, expect, test } from 'vitest'
import { until } from '../helpers/until.ts'
import { answering, collect, ok, rawBackend } from './raw-backend.ts'
import { startRelay } from './relay.ts'
import { open } from './transport.ts'

const get = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'

describe('timeouts', () => {
  test('a head that stops coming is answered with 408', async () => {
    const relay = await startRelay(1)
    relay.timeouts.head = 100
    const client = await open(relay.port)
    const got = collect(client)
    client.write('GET / HTTP/1.1\r\nho')
    await until('the end', () => got.end)
    expect(got.text).toMatch(/^HTTP\/1.1 408 /)
  })

  test('bytes that trickle in do not extend the timeout', async () => {
    const relay = await startRelay(1)
    relay.timeouts.head = 200
    const client = await open(relay.port)
    const got = collect(client)
    await until('the end', () => {
      if (got.end === undefined) client.write('G')
      return got.end
    })
  })

  test('a connection that never sends a byte is closed without a response', async () => {
    const relay = await startRelay(1)
    relay.timeouts.head = 100
    const client = await open(relay.port)
    const got = collect(client)
    await until('the end', () => got.end)
    expect(got.text).toBe('')
  })

  test('so is one that is idle between requests; a request under way has no limit', async () => {
    const backend = await rawBackend((socket) => void setTimeout(() => socket.write(ok), 600))
    const relay = await startRelay(backend.port)
    relay.timeouts.keepAlive = 100
    relay.timeouts.head = 100
    const client = await open(relay.port)
    const got = collect(client)
    client.write(get)
    await until('the end', () => got.end)
    expect(got.text.endsWith('ok')).toBe(true)
    expect(got.text.match(/HTTP/g)).toHaveLength(1)
  })

  test('a client that does not close its side is cut off', async () => {
    const relay = await startRelay(1)
    const client = await open(relay.port)
    const got = collect(client)
    client.write('no\r\n\r\n')
    await until('the end', () => got.end)
    await until('the cut', () => relay.connections.size === 0)
  })

  test('an idle connection to a backend goes after the time it gave', async () => {
    const backend = await answering(ok.replace('\r\n\r\n', '\r\nKeep-Alive: max=9, timeout=2\r\n\r\n'))
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    client.write(get)
    await until('one idle', () => relay.pool.idle === 1)
    await until('none idle', () => relay.pool.idle === 0)
    await until('none open', () => backend.sockets.size === 0)
    expect(relay.ends).toEqual(['sent'])
  })
})

describe('back-pressure', () => {
  // More than the kernel holds of a connection: up to 32 MB for its reader and 4 MB for its writer.
  const size = 64 * 1024 * 1024

  test('a client that does not read stops the backend', async () => {
    const body = Buffer.alloc(64 * 1024, 'x')
    let written = 0
    const backend = await rawBackend((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`)
      const more = (): void => {
        while (written < size) {
          written += body.length
          if (!socket.write(body)) return void socket.once('drain', more)
        }
      }
      more()
    })
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    client.write(get)
    const still = standstill(() => written)
    await until('a standstill', () => still() && written > 0)
    const [connection] = relay.connections
    expect(connection!.stream.unsent).toBeLessThan(1024 * 1024)
    expect(written).toBeLessThan(size)
    let read = 0
    client.on('data', (chunk: Buffer) => {
      read += chunk.length
    })
    await until('all of it', () => read > size)
    await until('the end', () => relay.ends[0] === 'sent')
  })

  test('a backend that does not read stops the client', async () => {
    const backend = await rawBackend((socket, seen) => {
      if (seen.length < 200) socket.pause()
      if (seen.length > size) socket.write(ok)
    })
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(`POST / HTTP/1.1\r\nhost: h\r\ncontent-length: ${size}\r\n\r\n`)
    await until('the head', () => backend.seen[0] !== undefined && backend.seen[0] !== '')
    const piece = Buffer.alloc(64 * 1024, 'x')
    let written = 0
    const more = (): void => {
      while (written < size) {
        written += piece.length
        if (!client.write(piece)) return void client.once('drain', more)
      }
    }
    more()
    const still = standstill(() => written)
    await until('a standstill', still)
    expect(written).toBeLessThan(size)
    for (const socket of backend.sockets) socket.resume()
    await until('the answer', () => got.text.endsWith('ok'))
  })
})

/** Tells when a figure has not moved for twenty polls. */
function standstill(read: () => number): () => boolean {
  let last = Number.NaN
  let times = 0
  return () => {
    const value = read()
    times = value === last ? times + 1 : 0
    last = value
    return times > 20
  }
}
