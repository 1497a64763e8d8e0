import { describe, expect, test } from 'vitest'
import { until } from '../helpers/until.ts'
import { ask, poolOf } from './asking.ts'
import { codes, data, headers, rst, windowUpdate } from './frames.ts'
import { answering, type Frame, fieldOf, type RawPeer, rawBackend } from './raw.ts'

const ok = [':status', '200']

/** Answers every whole request with these frames. */
const saying =
  (frames: (stream: number) => Buffer[]) =>
  (peer: RawPeer, { stream, isEnd }: Frame) => {
    if (isEnd) peer.send(...frames(stream))
  }

describe('a request', () => {
  test('reaches the backend with head, body and trailers', async () => {
    const backend = await rawBackend(answering())
    const pool = poolOf(backend.port)
    const fields = ['host', 'a.test', 'te', 'trailers', 'content-length', '3', 'connection', 'x', 'x-a', ' b ']
    await ask(pool, {
      method: 'POST',
      target: '/p?q',
      fields,
      body: 'abc',
      trailers: ['x-sum', '1', 'host', 'b'],
    }).ended()
    const got = await backend.peers[0]!.answer(1)
    const pseudo = [':method', 'POST', ':scheme', 'http', ':authority', 'a.test', ':path', '/p?q']
    expect(got.fields).toEqual([...pseudo, 'te', 'trailers', 'x-a', 'b', 'content-length', '3'])
    expect(got.body.toString()).toBe('abc')
    expect(got.trailers).toEqual(['x-sum', '1'])
  })

  test('without a body ends with its head, with an empty one too', async () => {
    const backend = await rawBackend(answering())
    const pool = poolOf(backend.port)
    await ask(pool).ended()
    await ask(pool, { method: 'POST', body: '' }).ended()
    const own = backend.peers[0]!.frames.filter(({ stream }) => stream > 0)
    expect(own.map(({ name, stream, isEnd }) => `${name}:${stream}:${isEnd}`)).toEqual([
      'HEADERS:1:true',
      'HEADERS:3:true',
    ])
  })

  test('is told in order', async () => {
    const backend = await rawBackend(
      saying((stream) => [
        headers(stream, [':status', '103', 'link', '</a>']),
        headers(stream, [...ok, 'x', 'y']),
        data(stream, 'some', { padding: 3 }),
        headers(stream, ['x-sum', '4'], { end: true }),
      ]),
    )
    const asked = await ask(poolOf(backend.port), { method: 'PUT', body: 'b' }).ended()
    expect(asked.calls).toEqual(['connected', 'wanted', 'interim:103', 'head:200', 'data:4', 'end'])
    expect(asked.fields.list).toEqual(['x', 'y'])
    expect(asked.trailers).toEqual(['x-sum', '4'])
  })

  test.each([
    ['a short body', (id: number) => [headers(id, ok), data(id, 'ab'), data(id, 'c', { end: true })], 'abc'],
    ['no body', (id: number) => [headers(id, ok, { end: true })], ''],
    ['an empty frame at its end', (id: number) => [headers(id, ok), data(id, 'a'), data(id, '', { end: true })], 'a'],
  ])('is answered whole when the response has come in one turn: %s', async (_what, frames, body) => {
    const backend = await rawBackend(saying(frames))
    const asked = await ask(poolOf(backend.port), { whole: true }).ended()
    expect(asked.calls).toEqual(['connected', 'head:200', 'whole'])
    expect(asked.body).toBe(body)
  })

  test.each([
    [
      'it has trailers',
      (id: number) => [headers(id, ok), data(id, 'ab'), headers(id, ['x', 'y'], { end: true })],
      'ab',
    ],
    ['it is long', (id: number) => [headers(id, ok), data(id, 'a'.repeat(9000), { end: true })], 'a'.repeat(9000)],
  ])('is answered in pieces when %s', async (_what, frames, body) => {
    const backend = await rawBackend(saying(frames))
    const asked = await ask(poolOf(backend.port), { whole: true }).ended()
    expect(asked.calls).not.toContain('whole')
    expect(asked.calls.at(-1)).toBe('end')
    expect(asked.body).toBe(body)
  })

  test('is answered in pieces when its end comes later', async () => {
    const backend = await rawBackend(saying((stream) => [headers(stream, ok), data(stream, 'a')]))
    const asked = await ask(poolOf(backend.port), { whole: true }).told('data:1')
    backend.peers[0]!.send(data(1, 'b', { end: true }))
    await asked.ended()
    expect(asked.calls).toEqual(['connected', 'head:200', 'data:1', 'data:1', 'end'])
  })

  test.each(['HEAD', 'GET'])('%s: a length without a body', async (method) => {
    const status = method === 'HEAD' ? '200' : '304'
    const list = [':status', status, 'content-length', '5']
    const backend = await rawBackend(saying((stream) => [headers(stream, list, { end: true })]))
    const asked = await ask(poolOf(backend.port), { method }).ended()
    expect(asked.calls).toEqual(['connected', `head:${status}`, 'end'])
    expect(asked.fields.get('content-length')).toBe('5')
  })

  test.each([undefined, 3])(
    'is malformed when DATA comes before its head, though empty; padding %s',
    async (padding) => {
      const empty = padding === undefined ? {} : { padding }
      const backend = await rawBackend(saying((id) => [data(id, '', empty), headers(id, ok, { end: true })]))
      const asked = await ask(poolOf(backend.port)).ended()
      expect(asked.error?.message).toMatch(/a body comes before its head/)
    },
  )
})

describe('an upload', () => {
  test('waits for the window of its stream, and goes on', async () => {
    const backend = await rawBackend(() => {}, { settings: { initialWindowSize: 10 }, credit: false })
    const pool = poolOf(backend.port)
    const asked = ask(pool, { method: 'POST', body: true })
    await asked.told('wanted')
    // The window of the peer is known when its SETTINGS have come.
    await until('the SETTINGS', () => backend.peers[0]?.frames.some(({ name, isAck }) => name === 'SETTINGS' && isAck))
    const piece = Buffer.alloc(100_000, 'x')
    const isRoom = asked.exchange.write(piece)
    expect(isRoom).toBe(false)
    expect(asked.exchange.isFlushed).toBe(false)
    const peer = backend.peers[0]!
    await peer.until('DATA')
    await peer.settled()
    expect(peer.frames.filter(({ name }) => name === 'DATA').map(({ payload }) => payload.length)).toEqual([10])
    asked.calls.length = 0
    peer.send(windowUpdate(1, 200_000), windowUpdate(0, 200_000))
    await asked.told('wanted')
    asked.exchange.end()
    const got = await peer.answer(1)
    expect(got.body.equals(piece)).toBe(true)
    expect(asked.exchange.isFlushed).toBe(true)
  })

  test('is dropped when the response is complete: CANCEL, and the session stays', async () => {
    const backend = await rawBackend((peer, { name, stream }) => {
      if (name === 'HEADERS') peer.send(headers(stream, ok), data(stream, 'done', { end: true }))
    })
    const pool = poolOf(backend.port)
    const asked = await ask(pool, { method: 'POST', body: true }).ended()
    expect(asked.calls.at(-1)).toBe('end')
    expect(asked.exchange.write(Buffer.from('late'))).toBe(true)
    expect((await backend.peers[0]!.until('RST_STREAM')).code).toBe(codes.CANCEL)
    await ask(pool).ended()
    expect(backend.peers).toHaveLength(1)
    expect(backend.peers[0]!.frames.some(({ name }) => name === 'DATA')).toBe(false)
  })

  test('is dropped on NO_ERROR after a complete response', async () => {
    const backend = await rawBackend((peer, { name, stream }) => {
      if (name !== 'HEADERS') return
      peer.send(headers(stream, ok), data(stream, 'done', { end: true }), rst(stream, codes.NO_ERROR))
    })
    const pool = poolOf(backend.port)
    const asked = await ask(pool, { method: 'POST', body: true }).ended()
    expect(asked).toMatchObject({ status: 200, body: 'done', error: undefined })
    await ask(pool).ended()
    expect(backend.peers).toHaveLength(1)
  })

  test('of another length than announced is a fault of the gateway', async () => {
    const backend = await rawBackend(() => {})
    const pool = poolOf(backend.port)
    for (const [body, length] of [
      ['abc', '2'],
      ['abc', '4'],
    ] as const) {
      const fields = ['host', 'a', 'content-length', length]
      const asked = await ask(pool, { method: 'POST', fields, body }).ended()
      expect(asked.error?.code).toBe('GE')
    }
    const peer = backend.peers[0]!
    await until('two resets', () => peer.frames.filter(({ name }) => name === 'RST_STREAM').length === 2)
    expect(peer.frames.some(({ stream, isEnd }) => stream > 0 && isEnd)).toBe(false)
  })

  test('waits for a 100, or for 1 s', async () => {
    const backend = await rawBackend((peer, { name, stream, isEnd, fields }) => {
      if (name === 'HEADERS' && fieldOf(fields, ':path') === '/quick') peer.send(headers(stream, [':status', '100']))
      if (isEnd) peer.send(headers(stream, ok, { end: true }))
    })
    const pool = poolOf(backend.port)
    const fields = ['host', 'a', 'expect', '100-continue']
    const quick = await ask(pool, { method: 'POST', target: '/quick', fields, body: 'abc' }).ended()
    expect(quick.calls).toEqual(['connected', 'interim:100', 'wanted', 'head:200', 'end'])
    const slow = await ask(pool, { method: 'POST', target: '/slow', fields, body: 'abc' }).ended()
    expect(slow.calls).toEqual(['connected', 'wanted', 'head:200', 'end'])
  })
})

describe('pause', () => {
  test('stops the backend, and nothing is told until resume', async () => {
    const body = Buffer.alloc(300_000, 'x')
    const backend = await rawBackend((peer, { isEnd, stream, name, payload }) => {
      if (!isEnd && name !== 'WINDOW_UPDATE') return
      if (isEnd) peer.send(headers(stream, ok))
      const room = isEnd ? 65_535 : stream === 0 ? 0 : payload.readUInt32BE(0)
      for (let at = 0; at < room; at += 16_384) {
        const size = Math.min(16_384, room - at, body.length - sent)
        if (size > 0) peer.send(data(1, body.subarray(sent, sent + size), { end: sent + size === body.length }))
        sent += size
      }
    })
    let sent = 0
    const pool = poolOf(backend.port)
    const asked = ask(pool, { owner: { onHead: () => asked.exchange.pause() } })
    const peer = await until('the session', () => backend.peers[0])
    await peer.until('HEADERS')
    await peer.settled()
    expect(asked.body).toBe('')
    expect(sent).toBe(65_535)
    asked.exchange.resume()
    await asked.ended()
    expect(asked.body.length).toBe(body.length)
  })

  test('a failure is told after it, and what came before that', async () => {
    const backend = await rawBackend(saying((stream) => [headers(stream, ok), data(stream, 'abc'), rst(stream)]))
    const asked = ask(poolOf(backend.port), { owner: { onHead: () => asked.exchange.pause() } })
    const peer = await until('the session', () => backend.peers[0])
    await peer.until('HEADERS')
    await peer.settled()
    expect(asked.over).toBe(false)
    asked.exchange.resume()
    await asked.ended()
    expect(asked.error?.code).toBe('UR')
    expect(['', 'abc']).toContain(asked.body)
  })

  test('before the head', async () => {
    const backend = await rawBackend(() => {})
    const asked = await ask(poolOf(backend.port)).told('connected')
    asked.exchange.pause()
    const peer = await until('the session', () => backend.peers[0])
    await peer.until('HEADERS')
    peer.send(headers(1, [':status', '103']), headers(1, ok), data(1, 'abc'), headers(1, ['x', 'y'], { end: true }))
    await peer.settled()
    expect(asked.calls).toEqual(['connected'])
    asked.exchange.resume()
    await asked.ended()
    expect(asked.calls).toEqual(['connected', 'interim:103', 'head:200', 'data:3', 'end'])
    expect(asked.trailers).toEqual(['x', 'y'])
  })

  test('a complete response that NO_ERROR followed is complete', async () => {
    const frames = (id: number): Buffer[] => [headers(id, ok), data(id, 'abc', { end: true }), rst(id, codes.NO_ERROR)]
    const backend = await rawBackend((peer, { name, stream }) => {
      if (name === 'HEADERS') peer.send(...frames(stream))
    })
    const owner = { onHead: () => asked.exchange.pause() }
    const asked = ask(poolOf(backend.port), { method: 'POST', body: true, owner })
    const peer = await until('the session', () => backend.peers[0])
    await peer.until('HEADERS')
    await peer.settled()
    asked.exchange.resume()
    await asked.ended()
    expect(asked).toMatchObject({ body: 'abc', error: undefined })
  })
})

describe('a complete response during a pause and an upload', () => {
  test.each<[string, (peer: RawPeer) => void]>([
    ['the session ends', (peer) => peer.socket.end()],
    ['the session is reset', (peer) => peer.socket.resetAndDestroy()],
    ['nothing follows', () => {}],
  ])('is complete: %s', async (_what, follow) => {
    const backend = await rawBackend((peer, { name, stream }) => {
      if (name === 'HEADERS') peer.send(headers(stream, ok), data(stream, 'abc', { end: true }))
    })
    const owner = { onHead: () => asked.exchange.pause() }
    const asked = ask(poolOf(backend.port), { method: 'POST', body: true, owner })
    const peer = await until('the session', () => backend.peers[0])
    // The upload ends at once, not with the pause.
    expect((await peer.until('RST_STREAM')).code).toBe(codes.CANCEL)
    follow(peer)
    if (peer.socket.writableEnded || peer.socket.destroyed) await peer.ended()
    else await peer.settled()
    asked.exchange.resume()
    await asked.ended()
    expect(asked).toMatchObject({ body: 'abc', error: undefined })
  })
})

describe('the owner', () => {
  test.each(['onConnected', 'onBodyWanted', 'onInterim', 'onHead', 'onData', 'onWhole'] as const)(
    'that throws in %s fails its exchange, and no other',
    async (call) => {
      const backend = await rawBackend((peer, { stream, isEnd, name }) => {
        if (name === 'HEADERS') peer.send(headers(stream, [':status', '103']))
        if (isEnd) peer.send(headers(stream, ok), data(stream, 'abc', { end: true }))
      })
      const pool = poolOf(backend.port)
      await ask(pool).ended()
      const owner = {
        [call]: () => {
          throw new Error('a fault')
        },
      }
      const other = ask(pool)
      const asked = await ask(pool, { method: 'POST', body: 'x', whole: call === 'onWhole', owner }).ended()
      expect(asked.error).toMatchObject({ code: 'GE', message: 'a fault' })
      expect(await other.ended()).toMatchObject({ status: 200, error: undefined })
      expect(await ask(pool).ended()).toMatchObject({ status: 200 })
      expect(backend.peers).toHaveLength(1)
    },
  )

  test.each(['onConnected', 'onBodyWanted', 'onInterim', 'onHead', 'onData'] as const)(
    'that cancels in %s gets no other call; the session stays',
    async (call) => {
      const backend = await rawBackend((peer, { stream, isEnd, name }) => {
        if (name === 'HEADERS') peer.send(headers(stream, [':status', '103']))
        if (isEnd) peer.send(headers(stream, ok), data(stream, 'abc'), data(stream, 'def', { end: true }))
      })
      const pool = poolOf(backend.port)
      await ask(pool).ended()
      let isCancelled = false
      const owner = {
        [call]: () => {
          isCancelled = true
          asked.calls.length = 0
          asked.exchange.cancel()
        },
      }
      const asked = ask(pool, { method: 'POST', body: 'x', owner })
      await until('the cancel', () => isCancelled)
      expect(await ask(pool).ended()).toMatchObject({ status: 200 })
      expect(asked.calls).toEqual([])
      expect(backend.peers).toHaveLength(1)
    },
  )

  test('that cancels resets its stream with CANCEL', async () => {
    const backend = await rawBackend(() => {})
    const pool = poolOf(backend.port)
    const asked = await ask(pool).told('connected')
    const peer = await until('the session', () => backend.peers[0])
    await peer.until('HEADERS')
    asked.exchange.cancel()
    expect(await peer.until('RST_STREAM')).toMatchObject({ stream: 1, code: codes.CANCEL })
    expect(asked.calls).toEqual(['connected'])
  })
})
