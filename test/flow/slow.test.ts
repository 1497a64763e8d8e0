import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, test } from 'vitest'
import { httpBackend, type TestBackend, tcpBackend } from '../helpers/backend.ts'
import { open } from '../helpers/client.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

const chunk = Buffer.alloc(64 * 1024, 'x')

/** More than the kernels on both sides of a connection hold. */
const size = 400 * chunk.length

function pour(socket: Socket): void {
  for (let sent = 0; sent < size; sent += chunk.length) socket.write(chunk)
}

/** Takes 200 KB a second for `ms`. The kernel tells the sender of it every 2 s, and of room for more every 6 s. */
async function takeSlowly(socket: Socket, ms: number): Promise<number> {
  const start = performance.now()
  let bytes = 0
  socket.pause()
  while (performance.now() - start < ms && !socket.readableEnded && !socket.destroyed) {
    const due = 200 * (performance.now() - start) - bytes
    const piece = due < 1 ? null : ((socket.read(Math.min(due | 0, 16_384)) ?? socket.read()) as Buffer | null)
    if (piece === null || piece.length < 16_384) await sleep(20)
    bytes += piece?.length ?? 0
  }
  return bytes
}

/** Takes everything that is left, until the end. */
async function takeRest(socket: Socket): Promise<{ bytes: number; error: string | undefined }> {
  let bytes = 0
  let error: string | undefined
  let isOver = socket.readableEnded || socket.destroyed
  const over = (): void => {
    isOver = true
  }
  socket.on('error', (reason: NodeJS.ErrnoException) => {
    error = reason.code
  })
  socket.on('close', over).on('end', over)
  socket.on('data', (piece: Buffer) => {
    bytes += piece.length
  })
  socket.resume()
  await until('the end of the stream', () => isOver)
  return { bytes, error }
}

const ended = ({ msg }: Record<string, unknown>): boolean => msg === 'request'

/** Sends `size` bytes, as fast as they are taken. */
const download = (head: string): Promise<TestBackend> =>
  tcpBackend((socket) => {
    socket.once('data', () => {
      socket.write(head)
      pour(socket)
      socket.end()
    })
  })

test('a client or a backend that takes bytes all the time is not cut off, though the kernel reports no room', async () => {
  const slow = 10_000
  const server = await download(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`)
  const taker = await tcpBackend(async (socket) => {
    await takeSlowly(socket, slow)
    socket.once('data', () => setTimeout(() => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'), 500))
    socket.resume()
  })
  const raw = await tcpBackend((socket) => {
    pour(socket)
    socket.end()
  })
  const web = { address: '127.0.0.1', port: 0, timeouts: { idle: '2500ms' } }
  const upstream = (backend: TestBackend, protocol: string, ...limits: string[]) => {
    const timeouts = Object.fromEntries(limits.map((limit) => [limit, '2500ms']))
    return { protocol, health: false, backends: [{ address: `127.0.0.1:${backend.port}` }], timeouts }
  }
  const { port, record } = await startInProcess({
    listeners: { down: web, up: web, raw: { protocol: 'tcp', address: '127.0.0.1', port: 0 } },
    routes: {
      down: { listener: 'down', upstream: 'server' },
      up: { listener: 'up', upstream: 'taker' },
      raw: { listener: 'raw', upstream: 'raw' },
    },
    upstreams: {
      server: upstream(server, 'http', 'response', 'idle'),
      taker: upstream(taker, 'http', 'response', 'idle'),
      raw: upstream(raw, 'tcp', 'idle'),
    },
  })
  const take = async (listener: string, request: string): Promise<[boolean, string | undefined]> => {
    const client = await open(port(listener))
    client.write(request)
    const before = await takeSlowly(client, slow)
    const { bytes, error } = await takeRest(client)
    client.end()
    return [before + bytes >= size, error]
  }
  const give = async (): Promise<string> => {
    const client = await open(port('up'))
    client.write(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${size}\r\n\r\n`)
    pour(client)
    let text = ''
    client.on('data', (piece: Buffer) => {
      text += piece.toString()
    })
    await until('the answer', () => text !== '')
    return text.slice(0, 15)
  }
  const request = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'
  expect(await Promise.all([take('down', request), take('raw', ''), give()])).toEqual([
    [true, undefined],
    [true, undefined],
    'HTTP/1.1 200 OK',
  ])
  for (const listener of ['down', 'up', 'raw']) {
    const { outcome } = await record((line) => line.listener === listener && line.outcome !== undefined)
    expect(outcome, listener).toBe('')
  }
}, 60_000)

describe('a client that reads nothing', () => {
  const impatient = { listeners: { web: { timeouts: { idle: '300ms' } } } }

  it('is blamed itself, and what is on its way still reaches it', async () => {
    const backend = await download(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`)
    const { port, record } = await startInProcess(httpConfig([backend.port], impatient))
    const client = await open(port('web'))
    client.pause()
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    const { outcome, cause, status } = await record(ended)
    expect([outcome, status]).toEqual(['CI', 200])
    expect(cause).toBe('the client read nothing of the response for 300 ms')
    const { bytes, error } = await takeRest(client)
    expect(error).toBeUndefined()
    expect(bytes).toBeGreaterThan(1_000_000)
    expect(bytes).toBeLessThan(size)
  })

  it('of a response without a length is reset: an end would look complete', async () => {
    const backend = await download('HTTP/1.0 200 OK\r\n\r\n')
    const { port, record } = await startInProcess(httpConfig([backend.port], impatient))
    const client = await open(port('web'))
    client.pause()
    client.write('GET / HTTP/1.0\r\nhost: a\r\n\r\n')
    expect((await record(ended)).outcome).toBe('CI')
    expect((await takeRest(client)).error).toBe('ECONNRESET')
  })
})

describe('a backend', () => {
  it('that is silent after the head of its response while the client uploads is not cut off', async () => {
    const backend = await httpBackend((request, response) => {
      response.flushHeaders()
      request.resume().on('end', () => response.end('done'))
    })
    const { port, record } = await startInProcess(
      httpConfig([backend.port], { upstreams: { app: { timeouts: { idle: '300ms' } } } }),
    )
    const client = await open(port('web'))
    client.resume()
    client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 30\r\n\r\n')
    for (let sent = 0; sent < 30; sent++) {
      client.write('x')
      await sleep(50)
    }
    const { outcome, bytesIn } = await record(ended)
    expect([outcome, bytesIn]).toEqual(['', 30])
  })

  it('that takes nothing of a request is cut off', async () => {
    const backend = await tcpBackend((socket) => void socket.pause())
    const { port, record } = await startInProcess(
      httpConfig([backend.port], { upstreams: { app: { timeouts: { response: '300ms' } } } }),
    )
    const client = await open(port('web'))
    client.resume()
    client.write(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${size}\r\n\r\n`)
    pour(client)
    expect((await record(ended)).outcome).toBe('UT')
  })

  it('may take as long as the route says, whatever its upstream says', async () => {
    const backend = await httpBackend((_request, response) => void setTimeout(() => response.end('late'), 800))
    const patient = { path: '/patient' }
    const { port, record } = await startInProcess(
      httpConfig([backend.port], {
        routes: { patient: { listener: 'web', match: patient, upstream: 'app', timeouts: { response: '1m' } } },
        upstreams: { app: { timeouts: { response: '100ms' } } },
      }),
    )
    const client = await open(port('web'))
    client.resume()
    client.write('GET /patient HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n')
    expect((await record((line) => line.route === 'patient')).status).toBe(200)
    expect((await record((line) => line.route === 'all')).outcome).toBe('UT')
  })
})
