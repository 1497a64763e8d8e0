import { describe, expect, test } from 'vitest'
import type { PosternError } from '../../core/errors.ts'
import { Fields } from '../../core/http/fields.ts'
import type { Fate, Reuse } from '../../core/http/upstream-exchange.ts'
import { ConnectionPool } from '../../core/http1/connection-pool.ts'
import { until } from '../helpers/until.ts'
import { ok, type RawBackend, rawBackend } from './raw-backend.ts'
import { carrier, reset } from './transport.ts'

interface Ended {
  readonly status: number
  readonly code: string
  readonly fate: Fate | undefined
}

/** Sends one request to the end of its answer, or its failure. */
async function send(pool: ConnectionPool, reuse: Reuse, path = '/'): Promise<Ended> {
  let ended: Ended | undefined
  let status = 0
  const request = { method: 'GET', target: path, fields: new Fields(['host', 'h']), hasBody: false, reuse }
  pool.send(request, 5000, {
    onConnected: () => {},
    onBodyWanted: () => {},
    onHead: (seen) => {
      status = seen
    },
    onData: () => {},
    onEnd: () => {
      ended = { status, code: '', fate: undefined }
    },
    onFail: ({ code }: PosternError, fate) => {
      ended = { status, code, fate }
    },
  })
  return until('an end', () => ended)
}

function poolOf({ port }: RawBackend): ConnectionPool {
  return new ConnectionPool({ host: '127.0.0.1', port, address: `127.0.0.1:${port}` }, carrier().connectTo)
}

/** Answers the requests of each connection one after the other with these; then it resets it. */
function scripted(...answers: string[]): Promise<RawBackend> {
  return rawBackend((socket, seen) => {
    const count = seen.split('\r\n\r\n').length - 2
    const answer = answers[count]
    if (answer === undefined) reset(socket)
    else socket.write(answer, () => answer.endsWith('!') && setTimeout(() => reset(socket), 30))
  })
}

describe('a connection that ends before its answer', () => {
  test('is stale when it has carried a request before, and not when it is new', async () => {
    const backend = await scripted(ok)
    const pool = poolOf(backend)
    expect(await send(pool, 'any')).toMatchObject({ status: 200 })
    expect(await send(pool, 'any')).toEqual({ status: 0, code: 'UR', fate: 'stale' })
    const dead = poolOf(await scripted())
    expect(await send(dead, 'any')).toEqual({ status: 0, code: 'UR', fate: undefined })
    expect(backend.seen).toHaveLength(1)
  })

  test.each([
    ['a part of a head', 'HTTP/1.1 200 O!'],
    ['an interim response', 'HTTP/1.1 103 Early Hints\r\nlink: !\r\n\r\n!'],
    ['a part of a body', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n!'],
  ])('is not stale after %s', async (_what, part) => {
    const pool = poolOf(await scripted(ok, part))
    await send(pool, 'any')
    expect((await send(pool, 'any')).fate).toBeUndefined()
  })
})

describe('a 408 with which a backend closes an idle connection', () => {
  const close = 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'

  test('is no answer to the request that crosses it', async () => {
    const pool = poolOf(await scripted(ok, close))
    await send(pool, 'any')
    expect(await send(pool, 'any')).toEqual({ status: 0, code: 'UR', fate: 'stale' })
  })

  test.each([
    ['on a new connection', [close]],
    ['after an interim response', [ok, `HTTP/1.1 102 Processing\r\n\r\n${close}`]],
    ['that keeps the connection open', [ok, close.replace('connection: close\r\n', '')]],
  ])('is an answer %s', async (_what, answers) => {
    const pool = poolOf(await scripted(...answers))
    for (const _ of answers.slice(1)) await send(pool, 'any')
    expect((await send(pool, 'any')).status).toBe(408)
  })
})

describe('which connection carries a request', () => {
  test('a new one, though there are others; it joins the pool', async () => {
    const backend = await scripted(ok, ok)
    const pool = poolOf(backend)
    await send(pool, 'none')
    await send(pool, 'none')
    expect(backend.seen).toHaveLength(2)
    expect(pool.idle).toBe(2)
    pool.close()
  })

  // Just now means less than 1 s ago: a very busy machine may need another try.
  test('a proven one: used again before, and just now', { retry: 3 }, async () => {
    const backend = await scripted(ok, ok, ok, ok)
    const pool = poolOf(backend)
    await send(pool, 'any')
    // The first has not been used again.
    await send(pool, 'proven', '/new')
    expect(backend.seen).toHaveLength(2)
    await send(pool, 'any')
    // One of the two has: it is found behind the one that has not, too.
    await send(pool, 'none')
    await send(pool, 'proven', '/proven')
    expect(backend.seen).toHaveLength(3)
    expect(backend.seen[1]).toMatch(/\/proven HTTP/)
    await new Promise((resolve) => setTimeout(resolve, 1050))
    await send(pool, 'proven', '/late')
    expect(backend.seen).toHaveLength(4)
    expect(backend.seen[3]).toMatch(/\/late HTTP/)
    pool.close()
  })

  test('none that the backend keeps for 1 s only', async () => {
    const short = ok.replace('\r\n\r\n', '\r\nkeep-alive: timeout=1\r\n\r\n')
    const backend = await scripted(ok, short, ok)
    const pool = poolOf(backend)
    await send(pool, 'any')
    await send(pool, 'any')
    await send(pool, 'proven')
    expect(backend.seen).toHaveLength(2)
    pool.close()
  })
})
