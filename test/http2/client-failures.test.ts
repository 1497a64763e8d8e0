import { describe, expect, test } from 'vitest'
import { deadPort, tcpBackend } from '../helpers/backend.ts'
import { until } from '../helpers/until.ts'
import { ask, poolOf } from './asking.ts'
import { codes, data, frame, goaway, headers, rst } from './frames.ts'
import { answering, fieldOf, type RawPeer, rawBackend } from './raw.ts'

const ok = [':status', '200']

type Say = (stream: number) => Buffer[]

/** Requests for `/` are answered; others with these frames. */
const odd = (say: Say) =>
  rawBackend((peer, { stream, isEnd, fields, name }) => {
    if (name !== 'HEADERS' || !isEnd) return
    if (fieldOf(fields, ':path') === '/') answering()(peer, { stream, isEnd } as never)
    else peer.send(...say(stream))
  })

describe('a stream that fails leaves the session', () => {
  test.each<[string, Say, string, RegExp, string]>([
    ['reset before the head', (id) => [rst(id, codes.CANCEL)], 'UR', /reset .*before the response.*CANCEL/, ''],
    ['reset after an interim response', (id) => [headers(id, [':status', '103']), rst(id)], 'UR', /CANCEL/, ''],
    ['reset after the head', (id) => [headers(id, ok), rst(id, 2)], 'UR', /middle of the response.*INTERNAL_ERROR/, ''],
    [
      'reset after a piece',
      (id) => [headers(id, ok), data(id, 'a'), rst(id)],
      'UR',
      /in the middle of the response/,
      'a',
    ],
    ['NO_ERROR before the head', (id) => [rst(id, codes.NO_ERROR)], 'UR', /NO_ERROR/, ''],
    ['NO_ERROR after a piece', (id) => [headers(id, ok), data(id, 'a'), rst(id, 0)], 'UR', /NO_ERROR/, 'a'],
    ['REFUSED_STREAM after the head', (id) => [headers(id, ok), rst(id, 7)], 'UR', /REFUSED_STREAM/, ''],
    ['an unknown code', (id) => [rst(id, 99)], 'UR', /99/, ''],
  ])('%s', async (_what, say, code, message, body) => {
    const backend = await odd(say)
    const pool = poolOf(backend.port)
    await ask(pool).ended()
    const asked = await ask(pool, { target: '/odd' }).ended()
    expect(asked.error).toMatchObject({ code, message: expect.stringMatching(message) })
    expect(asked).toMatchObject({ body, fate: undefined })
    await ask(pool).ended()
    expect(backend.peers).toHaveLength(1)
  })

  test.each<[string, Say, RegExp]>([
    ['a name in upper case', (id) => [headers(id, [...ok, 'X', 'y'], { end: true })], /lower case/],
    ['no status', (id) => [headers(id, ['x', 'y'], { end: true })], /":status" is missing/],
    ['101', (id) => [headers(id, [':status', '101'])], /101/],
    ['an interim response that ends', (id) => [headers(id, [':status', '103'], { end: true })], /interim response/],
    ['33 interim responses', (id) => Array.from({ length: 33 }, () => headers(id, [':status', '103'])), /more than 32/],
    ['a body before its head', (id) => [data(id, 'a')], /before its head/],
    ['a body before its head, ended', (id) => [data(id, '', { end: true })], /before its head/],
    ['a second head', (id) => [headers(id, ok), headers(id, ok, { end: true })], /among the trailers/],
    ['trailers that do not end', (id) => [headers(id, ok), headers(id, ['x', 'y'])], /trailers do not end/],
    ['a connection field', (id) => [headers(id, [...ok, 'connection', 'close'], { end: true })], /belongs/],
    ['a connection field in trailers', (id) => [headers(id, ok), headers(id, ['te', 'x'], { end: true })], /belongs/],
    [
      'a shorter body',
      (id) => [headers(id, [...ok, 'content-length', '3']), data(id, 'ab', { end: true })],
      /Content-Length/,
    ],
    ['a longer body', (id) => [headers(id, [...ok, 'content-length', '1']), data(id, 'ab')], /Content-Length/],
    ['no body', (id) => [headers(id, [...ok, 'content-length', '3'], { end: true })], /Content-Length/],
    ['a body of a 204', (id) => [headers(id, [':status', '204']), data(id, 'ab', { end: true })], /has no body/],
    ['a body of a 304', (id) => [headers(id, [':status', '304']), data(id, 'ab', { end: true })], /has no body/],
  ])('malformed: %s', async (_what, say, message) => {
    const backend = await odd(say)
    const pool = poolOf(backend.port)
    await ask(pool).ended()
    const asked = await ask(pool, { target: '/odd' }).ended()
    expect(asked.error).toMatchObject({ code: 'UPE', message: expect.stringMatching(message) })
    expect(asked.fate).toBeUndefined()
    const peer = backend.peers[0]!
    expect(await peer.until('RST_STREAM')).toMatchObject({ stream: 3, code: codes.PROTOCOL_ERROR })
    await ask(pool).ended()
    expect(backend.peers).toHaveLength(1)
  })

  test('a header list of more than 64 KB, counted as over HTTP/1.1', async () => {
    const many = Array.from({ length: 2500 }, () => ['x', 'y']).flat()
    const backend = await odd((id) => [headers(id, [...ok, ...many], { end: true })])
    const pool = poolOf(backend.port)
    await ask(pool).ended()
    const asked = await ask(pool, { target: '/odd' }).ended()
    expect(asked.error).toMatchObject({ code: 'UPE', message: expect.stringMatching(/header list/) })
    await ask(pool).ended()
    expect(backend.peers).toHaveLength(1)
  })

  test('a body in answer to HEAD is malformed', async () => {
    const backend = await odd((id) => [headers(id, [...ok, 'content-length', '2']), data(id, 'ab', { end: true })])
    const asked = await ask(poolOf(backend.port), { method: 'HEAD', target: '/odd' }).ended()
    expect(asked.error?.code).toBe('UPE')
  })
})

describe('a session that breaks', () => {
  const brokenBy = (say: (peer: RawPeer, stream: number) => void) =>
    rawBackend((peer, frame) => {
      if (frame.name !== 'HEADERS') return
      if (fieldOf(frame.fields, ':path') === '/') answering()(peer, frame)
      else say(peer, frame.stream)
    })

  test.each<[string, (peer: RawPeer, stream: number) => void, string, RegExp]>([
    ['a reset', (peer) => peer.socket.resetAndDestroy(), 'UR', /ECONNRESET/],
    ['an end', (peer) => peer.socket.end(), 'UC', /closed the connection before the response/],
    ['a frame of HTTP/2 that is none', (peer) => peer.send(frame('SETTINGS', 0, 0, 'abc')), 'UPE', /./],
    ['a push', (peer, id) => peer.send(frame('PUSH_PROMISE', 4, id, '\0\0\0\x02')), 'UPE', /./],
    ['headers on an idle stream', (peer) => peer.send(headers(99, ok, { end: true })), 'UPE', /./],
    ['a header block that is no HPACK', (peer, id) => peer.send(headers(id, Buffer.from('ffffff', 'hex'))), 'UPE', /./],
  ])(
    'by %s: streams without a byte of their response are stale if it had carried others',
    async (_what, say, code, message) => {
      const backend = await brokenBy(say)
      const first = await ask(poolOf(backend.port), { target: '/odd' }).ended()
      expect(first.error).toMatchObject({ code, message: expect.stringMatching(message) })
      expect(first.fate).toBeUndefined()
      const pool = poolOf(backend.port)
      await ask(pool).ended()
      const asked = await ask(pool, { target: '/odd' }).ended()
      expect(asked.error?.code).toBe(code)
      expect(asked.fate).toBe('stale')
      expect(await ask(pool).ended()).toMatchObject({ status: 200 })
      expect(backend.peers).toHaveLength(3)
    },
  )

  test('a response under way is cut', async () => {
    const backend = await brokenBy((peer, stream) => {
      peer.send(headers(stream, ok), data(stream, 'abc'))
      setTimeout(() => peer.socket.end(), 20)
    })
    const pool = poolOf(backend.port)
    await ask(pool).ended()
    const asked = await ask(pool, { target: '/odd' }).ended()
    expect(asked).toMatchObject({ status: 200, body: 'abc', fate: undefined })
    expect(asked.error).toMatchObject({ code: 'UC', message: expect.stringMatching(/in the middle of the response/) })
  })

  test('a backend of HTTP/1.1 is told in clear words', async () => {
    const { port } = await tcpBackend((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'))
    })
    const asked = await ask(poolOf(port)).ended()
    expect(asked.error).toMatchObject({ code: 'UPE', message: expect.stringMatching(/speaks HTTP\/1\.1/) })
    expect(asked.fate).toBeUndefined()
  })

  test('a backend that closes on the preface', async () => {
    const { port } = await tcpBackend((socket) => void socket.on('data', () => socket.end()))
    const asked = await ask(poolOf(port)).ended()
    expect(asked.error?.code).toBe('UC')
  })

  test('a backend that is not there', async () => {
    const pool = poolOf(await deadPort())
    const all = [ask(pool), ask(pool, { reuse: 'none' }), ask(pool, { reuse: 'proven' })]
    for (const asked of all) {
      expect((await asked.ended()).error?.code).toBe('UF')
      expect(asked.calls).toEqual(['fail:UF'])
    }
  })

  test('an upgrade is malformed without RFC 8441', async () => {
    const backend = await rawBackend(() => {})
    const pool = poolOf(backend.port)
    const asked = await ask(pool, { upgrade: 'websocket' }).ended()
    expect(asked.error).toMatchObject({ code: 'UPE', message: expect.stringMatching(/RFC 8441/) })
  })
})

describe('what the backend has not processed is sent again', () => {
  const refusing = (times: number) => {
    let left = times
    return rawBackend((peer, one) => {
      if (one.name === 'HEADERS' && left > 0) {
        left--
        peer.send(rst(one.stream, codes.REFUSED_STREAM))
      } else answering()(peer, one)
    })
  }

  test('REFUSED_STREAM: on another session', async () => {
    const backend = await refusing(1)
    const asked = await ask(poolOf(backend.port), { method: 'POST' }).ended()
    expect(asked).toMatchObject({ status: 200, calls: ['connected', 'head:200', 'data:2', 'end'] })
    expect(backend.peers).toHaveLength(2)
  })

  test('not for ever', async () => {
    const backend = await refusing(100)
    const asked = await ask(poolOf(backend.port)).ended()
    expect(asked).toMatchObject({ fate: 'unprocessed' })
    expect(asked.error).toMatchObject({ code: 'UR', message: expect.stringMatching(/REFUSED_STREAM/) })
  })

  test('a body that has not begun is sent on the other session', async () => {
    let peers = 0
    const backend = await rawBackend((peer, one) => {
      if (one.name !== 'HEADERS' || one.stream !== 1 || peers++ > 0) return answering()(peer, one)
      peer.send(rst(1, codes.REFUSED_STREAM))
    })
    const asked = ask(poolOf(backend.port), { method: 'POST', body: true })
    await asked.told('wanted')
    await until('the other session', () => backend.peers.length === 2)
    asked.exchange.write(Buffer.from('abc'))
    asked.exchange.end()
    await asked.ended()
    expect(asked.status).toBe(200)
    expect((await backend.peers[1]!.answer(1)).body.toString()).toBe('abc')
  })

  test('after a byte of the body the owner is told', async () => {
    const backend = await refusing(1)
    const asked = await ask(poolOf(backend.port), { method: 'POST', body: 'abc' }).ended()
    expect(asked).toMatchObject({ fate: 'unprocessed', error: { code: 'UR' } })
  })

  test('GOAWAY: those above its last stream elsewhere, those below to their end, and nothing new there', async () => {
    const backend = await rawBackend((peer, one) => {
      if (one.name !== 'HEADERS') return
      if (backend.peers[0] !== peer) return answering()(peer, one)
      if (one.stream === 5) peer.send(goaway(1, codes.NO_ERROR))
    })
    const pool = poolOf(backend.port)
    const all = [1, 2, 3].map((id) => ask(pool, { method: 'POST', target: `/${id}` }))
    await all[1]!.ended()
    await all[2]!.ended()
    expect(all[0]!.over).toBe(false)
    await ask(pool).ended()
    const [old, other] = backend.peers
    old!.send(headers(1, ok), data(1, 'old', { end: true }))
    expect(await all[0]!.ended()).toMatchObject({ status: 200, body: 'old' })
    // Nothing is left on it.
    await old!.ended()
    expect(backend.peers).toHaveLength(2)
    expect(other!.frames.filter(({ name }) => name === 'HEADERS')).toHaveLength(3)
  })

  test('GOAWAY after a byte of the body: the owner is told', async () => {
    const backend = await rawBackend((peer, { name }) => {
      if (name === 'DATA') peer.send(goaway(0, codes.NO_ERROR))
    })
    const asked = await ask(poolOf(backend.port), { method: 'POST', body: 'abc' }).ended()
    expect(asked).toMatchObject({ fate: 'unprocessed', error: { code: 'UR' } })
    expect(asked.error?.message).toMatch(/GOAWAY/)
  })

  test('GOAWAY and the end in one breath', async () => {
    const backend = await rawBackend((peer, one) => {
      if (backend.peers[0] !== peer) return answering()(peer, one)
      if (one.name !== 'HEADERS') return
      if (one.stream === 1) return answering()(peer, one)
      peer.send(goaway(1, codes.NO_ERROR))
      peer.socket.end()
    })
    const pool = poolOf(backend.port)
    await ask(pool).ended()
    expect(await ask(pool, { method: 'POST' }).ended()).toMatchObject({ status: 200 })
  })

  test('GOAWAY on an idle session: a new one', async () => {
    const backend = await rawBackend(answering())
    const pool = poolOf(backend.port)
    await ask(pool).ended()
    backend.peers[0]!.send(goaway(1))
    await backend.peers[0]!.ended()
    await ask(pool).ended()
    expect(backend.peers).toHaveLength(2)
  })
})
