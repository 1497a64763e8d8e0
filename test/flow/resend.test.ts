import { describe, expect, test } from 'vitest'
import { open } from '../helpers/client.ts'
import { httpConfig, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { collect, ok, type RawBackend, rawBackend } from '../http1/raw-backend.ts'
import { arrived } from './wire.ts'

const head = (method: string, rest = ''): string => `${method} /x HTTP/1.1\r\nhost: h\r\n${rest}\r\n`

interface Scene {
  readonly gateway: TestGateway
  readonly backend: RawBackend
}

/**
 * A gateway whose pool holds three connections, each of which has carried one request, or two, and will be reset by the next
 * one before a byte of the answer; connections that are made later are answered.
 */
async function withDeadConnections(uses: 1 | 2 = 1): Promise<Scene> {
  let isDead = false
  const dead = new Set<unknown>()
  const waiting: (() => void)[] = []
  const backend = await rawBackend((socket, seen) => {
    if (dead.has(socket)) return void socket.resetAndDestroy()
    const isWhole = seen.endsWith('\r\n\r\n') && !seen.endsWith('content-length: 3\r\n\r\n')
    if (!isWhole && !seen.endsWith('\r\n\r\nabc')) return
    if (isDead) socket.write(ok)
    else waiting.push(() => socket.write(ok))
  })
  const gateway = await startInProcess(httpConfig([backend.port]))
  for (let use = 0; use < uses; use++) {
    const clients = await Promise.all([1, 2, 3].map(() => open(gateway.port('web'))))
    const answers = clients.map(collect)
    for (const client of clients) client.write(head('GET'))
    await until('three requests', () => waiting.length === 3)
    for (const answer of waiting.splice(0)) answer()
    await until('three answers', () => answers.every(({ text }) => text.endsWith('ok')))
    for (const client of clients) client.destroy()
  }
  expect(backend.seen).toHaveLength(3)
  for (const socket of backend.sockets) dead.add(socket)
  isDead = true
  return { gateway, backend }
}

describe('when all connections of the pool are dead', () => {
  test.each(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'DELETE', 'PROPFIND', 'REPORT', 'SEARCH', 'QUERY', 'UNLOCK'])(
    '%s goes out again, on a new connection',
    async (method) => {
      const { gateway, backend } = await withDeadConnections()
      const client = await open(gateway.port('web'))
      const got = collect(client)
      client.write(head(method))
      await arrived(got, /^HTTP\/1\.1 200 .*\r\n\r\n/s)
      expect(backend.seen).toHaveLength(4)
      // One of the dead ones was tried, and no other.
      const requests = backend.seen.map((seen) => seen.split('\r\n\r\n').length - 1)
      expect([requests.slice(0, 3).toSorted(), requests[3]]).toEqual([[1, 1, 2], 1])
    },
  )

  test('so does a PUT with a short body, even if the body comes later', async () => {
    for (const parts of [['abc'], ['', 'a', 'bc']]) {
      const { gateway, backend } = await withDeadConnections()
      const client = await open(gateway.port('web'))
      const got = collect(client)
      client.write(head('PUT', 'content-length: 3\r\n') + parts.shift())
      for (const part of parts) {
        await until('the head', () => backend.seen.some((seen) => seen.includes('PUT')))
        client.write(part)
      }
      await arrived(got, /^HTTP\/1\.1 200 .*\r\n\r\nok/s)
      expect(backend.seen[3]).toMatch(/^PUT \/x .*\r\n\r\nabc$/s)
    }
  })

  test('a POST that is the first of its connection does not meet them, as they are not proven', async () => {
    const { gateway, backend } = await withDeadConnections()
    const client = await open(gateway.port('web'))
    const got = collect(client)
    client.write(head('POST'))
    await arrived(got, /^HTTP\/1\.1 200 /)
    // The second takes the pool: the connection of the first, which was used last.
    client.write(head('POST'))
    await until('the second answer', () => got.text.match(/HTTP\/1\.1 200/g)?.length === 2)
    expect(backend.seen).toHaveLength(4)
  })

  test('one that is not the first meets them, and is not sent again', async () => {
    let answers = 2
    const backend = await rawBackend((socket) => (answers-- > 0 ? socket.write(ok) : socket.resetAndDestroy()))
    const gateway = await startInProcess(httpConfig([backend.port]))
    const client = await open(gateway.port('web'))
    const got = collect(client)
    for (const count of [1, 2]) {
      client.write(head('POST'))
      await until('an answer', () => got.text.match(/HTTP\/1\.1 200/g)?.length === count)
    }
    client.write(head('POST'))
    await arrived(got, /HTTP\/1\.1 502 /)
    expect(backend.seen).toEqual([expect.stringMatching(/(?:POST .*?\r\n\r\n){3}/s)])
    expect(await gateway.record(({ status }) => status === 502)).toMatchObject({ outcome: 'UR' })
  })

  // Proven means idle for less than 1 s: a very busy machine may need another try.
  test('a proven one carries a POST that is the first of its connection', { retry: 3 }, async () => {
    const { gateway, backend } = await withDeadConnections(2)
    const client = await open(gateway.port('web'))
    const got = collect(client)
    client.write(head('POST'))
    await arrived(got, /^HTTP\/1\.1 \d/)
    // It was proven, and yet dead: the price of reuse.
    expect(got.text).toMatch(/^HTTP\/1\.1 502 /)
    expect(backend.seen).toHaveLength(3)
  })
})

describe('nothing is sent twice', () => {
  test.each([
    ['a new connection that ends without an answer', ''],
    ['a part of a head', 'HTTP/1.1 200 OK\r\nContent-Le'],
    ['an interim response', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'],
  ])('after %s', async (_what, part) => {
    for (const method of ['GET', 'DELETE', 'PUT', 'TRACE']) {
      const backend = await rawBackend((socket) => socket.end(part))
      const gateway = await startInProcess(httpConfig([backend.port]))
      const client = await open(gateway.port('web'))
      const got = collect(client)
      client.write(head(method))
      await arrived(got, /HTTP\/1\.1 502 /)
      expect(backend.seen).toHaveLength(1)
    }
  })
})
