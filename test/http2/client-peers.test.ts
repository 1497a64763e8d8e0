import { createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { describeWith } from '../peers/needs.ts'
import { startNginx } from '../peers/nginx.ts'
import { ask, poolOf } from './asking.ts'

/** A server of node that gets each stream; h2c. */
async function nodeServer(onStream: (stream: ServerHttp2Stream) => void): Promise<number> {
  const server = createServer()
  server.on('stream', onStream)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** Sends so many requests, always 16 at a time, and counts how they end. */
async function load(port: number, count: number, method: string, body?: string): Promise<Record<string, number>> {
  const pool = poolOf(port)
  const ends: Record<string, number> = {}
  let left = count
  const one = async (): Promise<void> => {
    while (left-- > 0) {
      const { error, status, fate } = await ask(pool, { method, ...(body !== undefined && { body }) }).ended()
      const end = error === undefined ? `${status}` : `${error.code} ${fate}`
      ends[end] = (ends[end] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: 16 }, one))
  return ends
}

test('bodies of all sizes go to a server of node and come back, many at a time', async () => {
  const port = await nodeServer((stream) => {
    stream.respond({ ':status': 200 }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'all' }))
    stream.pipe(stream)
  })
  const pool = poolOf(port)
  const sizes = [0, 1, 100, 16_384, 16_385, 65_535, 65_536, 300_000, 1_000_000]
  const all = sizes.map((size) => ask(pool, { method: 'POST', body: `${size} `.repeat(size).slice(0, size) }))
  for (const [index, asked] of all.entries()) {
    await asked.ended()
    expect(asked.error).toBeUndefined()
    expect(asked.body).toBe(`${sizes[index]} `.repeat(sizes[index]!).slice(0, sizes[index]))
    expect(asked.trailers).toEqual(['x-sum', 'all'])
  }
  expect(pool.sessions).toBe(1)
})

test('interim responses and a reset of node', async () => {
  let requests = 0
  const port = await nodeServer((stream) => {
    stream.on('error', () => {})
    stream.additionalHeaders({ ':status': 103, link: '</a>' })
    stream.respond({ ':status': 200 })
    if (requests++ === 0) return stream.end('ok')
    stream.write('half', () => stream.destroy(new Error('a fault')))
  })
  const pool = poolOf(port)
  const good = await ask(pool).ended()
  expect(good.calls).toContain('interim:103')
  expect(good.body).toBe('ok')
  const bad = await ask(pool).ended()
  expect(bad.error).toMatchObject({ code: 'UR', message: expect.stringMatching(/INTERNAL_ERROR/) })
})

describeWith(['nginx'], 'nginx that closes each session after 50 requests', () => {
  const server = `keepalive_requests 50; location / { return 200 "here"; }`

  test('nothing is lost: GET', async () => {
    const { port } = await startNginx(server, '', 'http2')
    expect(await load(port, 3000, 'GET')).toEqual({ 200: 3000 })
  })

  test('nothing is lost: POST without a body', async () => {
    const { port } = await startNginx(server, '', 'http2')
    expect(await load(port, 3000, 'POST')).toEqual({ 200: 3000 })
  })

  test('a POST whose body has gone out is lost only where nginx says that it did not process it', async () => {
    const { port } = await startNginx(server, '', 'http2')
    const ends = await load(port, 2000, 'POST', 'abc')
    const lost = ends['UR unprocessed'] ?? 0
    expect((ends[200] ?? 0) + lost).toBe(2000)
  })
})
