import { describe, expect, test } from 'vitest'
import { until } from '../helpers/until.ts'
import { type Asked, ask, poolOf } from './asking.ts'
import { codes, data, headers, settings, settingsAck } from './frames.ts'
import { answering, type Frame, type RawPeer, rawBackend } from './raw.ts'

const ok = [':status', '200']

function end(peer: RawPeer, stream: number): void {
  peer.send(headers(stream, ok), data(stream, 'ok', { end: true }))
}

/** Streams with a request, on all sessions. */
function begun(peers: readonly RawPeer[]): number[] {
  return peers.map(({ frames }) => frames.filter(({ name }) => name === 'HEADERS').length)
}

const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0)

async function allEnded(all: readonly Asked[]): Promise<void> {
  for (const asked of all) expect((await asked.ended()).error).toBeUndefined()
}

describe('sessions', () => {
  test('one carries what waits for it', async () => {
    const backend = await rawBackend(answering())
    const pool = poolOf(backend.port)
    await allEnded(Array.from({ length: 100 }, () => ask(pool)))
    expect(backend.peers).toHaveLength(1)
    expect(pool.sessions).toBe(1)
  })

  test('another is opened for those that one cannot take', async () => {
    const backend = await rawBackend(answering())
    const pool = poolOf(backend.port)
    await allEnded(Array.from({ length: 250 }, () => ask(pool)))
    expect(backend.peers).toHaveLength(3)
  })

  test('what the backend allows on one is kept', async () => {
    const backend = await rawBackend(() => {}, { settings: { maxConcurrentStreams: 3 } })
    const pool = poolOf(backend.port)
    const first = ask(pool)
    await until('the SETTINGS', () => backend.peers[0]?.frames.some(({ name, isAck }) => name === 'SETTINGS' && isAck))
    const all = [first, ...Array.from({ length: 6 }, () => ask(pool))]
    await until('all', () => sum(begun(backend.peers)) === 7)
    expect(begun(backend.peers)).toEqual([3, 3, 1])
    for (const peer of backend.peers)
      for (const stream of [1, 3, 5]) if (stream < 2 * begun([peer])[0]!) end(peer, stream)
    await allEnded(all)
    // What has ended makes room.
    const others = Array.from({ length: 3 }, () => ask(pool))
    await until('all', () => sum(begun(backend.peers)) === 10)
    expect(backend.peers).toHaveLength(3)
    for (const stream of [7, 9, 11]) end(backend.peers[0]!, stream)
    await allEnded(others)
  })

  test('a backend that allows none: requests wait until it does', async () => {
    const backend = await rawBackend(answering(), { settings: { maxConcurrentStreams: 0 } })
    const pool = poolOf(backend.port)
    // The first may go out before the SETTINGS have come.
    await ask(pool).ended()
    const all = Array.from({ length: 3 }, () => ask(pool))
    await backend.peers[0]!.settled()
    expect(all.map(({ calls }) => calls.length)).toEqual([0, 0, 0])
    backend.peers[0]!.send(settings({ maxConcurrentStreams: 10 }))
    await allEnded(all)
    expect(backend.peers).toHaveLength(1)
  })

  test('a backend that allows none for too long: UF, 504', async () => {
    const backend = await rawBackend(answering(), { settings: { maxConcurrentStreams: 0 } })
    const pool = poolOf(backend.port)
    await ask(pool).ended()
    await backend.peers[0]!.settled()
    const asked = await ask(pool, { timeout: 100 }).ended()
    expect(asked.error).toMatchObject({
      code: 'UF',
      status: 504,
      message: expect.stringMatching(/room for a stream within 100 ms/),
    })
    expect(backend.peers).toHaveLength(1)
  })

  test('a limit that is lowered below what is open', async () => {
    const backend = await rawBackend(() => {})
    const pool = poolOf(backend.port)
    const all = [ask(pool), ask(pool)]
    await until('both', () => sum(begun(backend.peers)) === 2)
    const [peer] = backend.peers
    peer!.send(settings({ maxConcurrentStreams: 1 }))
    await peer!.settled()
    all.push(ask(pool))
    await until('the third elsewhere', () => backend.peers[1] && sum(begun(backend.peers)) === 3)
    expect(begun(backend.peers)).toEqual([2, 1])
    for (const stream of [1, 3]) end(peer!, stream)
    end(backend.peers[1]!, 1)
    await allEnded(all)
  })

  test('a cancel makes room, and one that waits goes', async () => {
    const backend = await rawBackend(() => {}, { settings: { maxConcurrentStreams: 1 } })
    const pool = poolOf(backend.port)
    const first = await ask(pool).told('connected')
    await until('the first', () => sum(begun(backend.peers)) === 1)
    await backend.peers[0]!.settled()
    first.exchange.cancel()
    const second = await ask(pool).told('connected')
    end(backend.peers[0]!, 3)
    await second.ended()
    expect(backend.peers).toHaveLength(1)
  })

  test('nothing is left of what is cancelled before a session is there', async () => {
    const backend = await rawBackend(answering())
    const pool = poolOf(backend.port)
    const asked = [ask(pool), ask(pool, { reuse: 'none' })]
    for (const { exchange } of asked) exchange.cancel()
    await ask(pool).ended()
    expect(asked.map(({ calls }) => calls.length)).toEqual([0, 0])
    expect(sum(begun(backend.peers))).toBe(1)
  })

  test('close: the idle ones now, those in use when their last stream ends', async () => {
    const backend = await rawBackend(() => {})
    const pool = poolOf(backend.port)
    const all = [ask(pool), ask(pool, { reuse: 'none' })]
    await until('both', () => sum(begun(backend.peers)) === 2)
    end(backend.peers[0]!, 1)
    await all[0]!.ended().catch(() => {})
    pool.close()
    await backend.peers[0]!.ended()
    expect(backend.peers[0]!.frames.at(-1)).toMatchObject({ name: 'GOAWAY', code: codes.NO_ERROR })
    await backend.peers[1]!.settled()
    expect(all[1]!.over).toBe(false)
    end(backend.peers[1]!, 1)
    await all[1]!.ended()
    await backend.peers[1]!.ended()
  })
})

describe('which session carries a request', () => {
  test('none: a new one, which joins the pool', async () => {
    const backend = await rawBackend(answering())
    const pool = poolOf(backend.port)
    await ask(pool, { reuse: 'none' }).ended()
    await ask(pool, { reuse: 'none' }).ended()
    expect(backend.peers).toHaveLength(2)
    await ask(pool).ended()
    expect(backend.peers).toHaveLength(2)
  })

  // Just now means less than 1 s ago: a very busy machine may need another try.
  test('proven: one that has carried two, and was active just now', { retry: 3 }, async () => {
    const backend = await rawBackend(answering())
    const pool = poolOf(backend.port)
    await ask(pool).ended()
    await ask(pool, { reuse: 'proven' }).ended()
    expect(backend.peers).toHaveLength(2)
    await ask(pool).ended()
    await ask(pool, { reuse: 'proven' }).ended()
    expect(begun(backend.peers)).toEqual([3, 1])
    await new Promise((resolve) => setTimeout(resolve, 1050))
    await ask(pool, { reuse: 'proven' }).ended()
    expect(backend.peers).toHaveLength(3)
  })
})

describe('a session that is silent', () => {
  const silent = { acks: false } as const

  /** PINGs of the gateway that a backend has got. */
  const pings = (peer: RawPeer | undefined): number =>
    peer === undefined ? 0 : peer.frames.filter(({ name, isAck }) => name === 'PING' && !isAck).length

  test('is asked by PING, and stays if it answers', async () => {
    const backend = await rawBackend(() => {})
    const asked = ask(poolOf(backend.port, { silence: 200 }))
    await until('two PINGs', () => pings(backend.peers[0]) === 2)
    end(backend.peers[0]!, 1)
    expect(await asked.ended()).toMatchObject({ status: 200 })
  })

  test('is dead if it does not: UR, and stale only if it had been in use', async () => {
    const backend = await rawBackend((peer, one) => {
      if (one.name === 'SETTINGS' && !one.isAck) peer.send(settingsAck())
      if (one.stream === 1 && one.fields.includes('/first')) answering()(peer, one)
    }, silent)
    const pool = poolOf(backend.port, { silence: 100, ping: 100 })
    const fresh = await ask(pool).ended()
    expect(fresh.error).toMatchObject({ code: 'UR', message: expect.stringMatching(/PING within 100 ms/) })
    expect(fresh.fate).toBeUndefined()
    await ask(pool, { target: '/first' }).ended()
    expect(await ask(pool).ended()).toMatchObject({ error: { code: 'UR' }, fate: 'stale' })
  })

  test('is asked before it carries a request after a long time', async () => {
    const backend = await rawBackend(answering())
    const pool = poolOf(backend.port, { silence: 100 })
    await ask(pool).ended()
    const peer = backend.peers[0]!
    await peer.settled()
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(pings(peer)).toBe(0)
    await ask(pool).ended()
    await until('the PING', () => pings(peer) === 1)
    expect(backend.peers).toHaveLength(1)
  })

  test('is closed when it has been without streams for long', async () => {
    const backend = await rawBackend(answering())
    const pool = poolOf(backend.port, { idle: 100 })
    await ask(pool).ended()
    await backend.peers[0]!.ended()
    expect(backend.peers[0]!.frames.at(-1)).toMatchObject({ name: 'GOAWAY', code: codes.NO_ERROR })
    await until('its end', () => pool.sessions === 0)
  })

  test('takes no more streams when it is old', async () => {
    const backend = await rawBackend(answering())
    const pool = poolOf(backend.port, { maxAge: 0 })
    await ask(pool).ended()
    await ask(pool).ended()
    expect(backend.peers).toHaveLength(2)
  })
})

describe('random sessions', () => {
  test('a backend that goes away again and again loses nothing', async () => {
    // As nginx does with `keepalive_requests`: after some streams it names the last one that it serves, and closes.
    const backend = await rawBackend((peer: RawPeer, one: Frame) => {
      if (one.name !== 'HEADERS') return
      if (one.stream > 39) return
      answering()(peer, one)
      if (one.stream === 39) {
        peer.send(Buffer.from('0000080700000000000000002700000000', 'hex'))
        peer.socket.end()
      }
    })
    const pool = poolOf(backend.port)
    let left = 2000
    const one = async (): Promise<void> => {
      while (left-- > 0) {
        const asked = await ask(pool, { method: 'POST' }).ended()
        expect(asked.error).toBeUndefined()
      }
    }
    await Promise.all(Array.from({ length: 16 }, one))
    expect(backend.peers.length).toBeGreaterThanOrEqual(100)
  })
})
