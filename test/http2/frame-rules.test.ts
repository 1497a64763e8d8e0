import { expect, test } from 'vitest'
import {
  codes,
  continuation,
  data,
  frame,
  goaway,
  headers,
  ping,
  priority,
  rawSettings,
  request,
  requestFields,
  rst,
  settings,
  uint32,
  windowUpdate,
} from './frames.ts'
import { encodeBlock } from './hpack.ts'
import { connect, send, serve } from './plain.ts'
import { rawBackend } from './raw.ts'

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, COMPRESSION_ERROR } = codes

const wait = request(1, [':path', '/wait'], {})
const block = encodeBlock(requestFields())
/** A list of 34,000 bytes in a short block. */
const long = Array.from({ length: 1000 }, () => ['a', 'b']).flat()
const hole = Buffer.alloc(0)

/** What ends the whole connection: frames behind the first SETTINGS, and the code of GOAWAY. */
const connectionErrors: readonly (readonly [name: string, frames: readonly Buffer[], code: number])[] = [
  ['DATA on stream 0', [data(0, 'x')], PROTOCOL_ERROR],
  ['DATA on an idle stream', [data(1, 'x')], PROTOCOL_ERROR],
  ['DATA on an even stream', [data(2, 'x')], PROTOCOL_ERROR],
  ['padding that is longer than DATA', [wait, frame('DATA', 0x8, 1, Buffer.of(5, 1, 2, 3, 4))], PROTOCOL_ERROR],
  ['padded DATA without a length of padding', [wait, frame('DATA', 0x8, 1)], FRAME_SIZE_ERROR],
  ['DATA of 16,385 bytes', [wait, data(1, Buffer.alloc(16_385))], FRAME_SIZE_ERROR],
  ['HEADERS on stream 0', [request(0)], PROTOCOL_ERROR],
  ['HEADERS on an even stream', [request(2)], PROTOCOL_ERROR],
  ['an id that is lower than one before', [request(5), request(3)], PROTOCOL_ERROR],
  ['padding that is longer than HEADERS', [frame('HEADERS', 0xd, 1, Buffer.of(9, 0x82))], PROTOCOL_ERROR],
  ['HEADERS that end within their priority', [frame('HEADERS', 0x25, 1, Buffer.of(0, 0, 0))], FRAME_SIZE_ERROR],
  ['a block that is not HPACK', [headers(1, Buffer.of(0x80))], COMPRESSION_ERROR],
  ['PRIORITY on stream 0', [priority(0)], PROTOCOL_ERROR],
  ['PRIORITY of 4 bytes', [frame('PRIORITY', 0, 1, uint32(0))], FRAME_SIZE_ERROR],
  ['RST_STREAM on stream 0', [rst(0)], PROTOCOL_ERROR],
  ['RST_STREAM on an idle stream', [rst(1)], PROTOCOL_ERROR],
  ['RST_STREAM of 3 bytes', [wait, frame('RST_STREAM', 0, 1, 'abc')], FRAME_SIZE_ERROR],
  ['SETTINGS on a stream', [frame('SETTINGS', 0, 1)], PROTOCOL_ERROR],
  ['SETTINGS of 5 bytes', [frame('SETTINGS', 0, 0, '12345')], FRAME_SIZE_ERROR],
  ['an acknowledgement of SETTINGS with a payload', [frame('SETTINGS', 1, 0, '123456')], FRAME_SIZE_ERROR],
  ['ENABLE_PUSH of 2', [rawSettings([[2, 2]])], PROTOCOL_ERROR],
  ['INITIAL_WINDOW_SIZE of 2^31', [rawSettings([[4, 2 ** 31]])], FLOW_CONTROL_ERROR],
  ['MAX_FRAME_SIZE of 16,383', [rawSettings([[5, 16_383]])], PROTOCOL_ERROR],
  ['MAX_FRAME_SIZE of 2^24', [rawSettings([[5, 2 ** 24]])], PROTOCOL_ERROR],
  ['ENABLE_CONNECT_PROTOCOL of 2', [rawSettings([[8, 2]])], PROTOCOL_ERROR],
  ['ENABLE_CONNECT_PROTOCOL that is taken back', [rawSettings([[8, 1]]), rawSettings([[8, 0]])], PROTOCOL_ERROR],
  ['PUSH_PROMISE', [frame('PUSH_PROMISE', 4, 1, Buffer.concat([uint32(2), block]))], PROTOCOL_ERROR],
  ['PING on a stream', [frame('PING', 0, 1, '12345678')], PROTOCOL_ERROR],
  ['PING of 7 bytes', [frame('PING', 0, 0, '1234567')], FRAME_SIZE_ERROR],
  ['GOAWAY on a stream', [frame('GOAWAY', 0, 1, '12345678')], PROTOCOL_ERROR],
  ['GOAWAY of 7 bytes', [frame('GOAWAY', 0, 0, '1234567')], FRAME_SIZE_ERROR],
  ['WINDOW_UPDATE of 3 bytes', [frame('WINDOW_UPDATE', 0, 0, 'abc')], FRAME_SIZE_ERROR],
  ['WINDOW_UPDATE of 0 for the connection', [windowUpdate(0, 0)], PROTOCOL_ERROR],
  ['WINDOW_UPDATE on an idle stream', [windowUpdate(1, 1)], PROTOCOL_ERROR],
  ['a window of the connection of 2^31', [windowUpdate(0, 2 ** 31 - 1)], FLOW_CONTROL_ERROR],
  [
    'an initial window that makes that of a stream larger than 2^31-1',
    [wait, windowUpdate(1, 2 ** 31 - 1 - 65_535), settings({ initialWindowSize: 65_536 })],
    FLOW_CONTROL_ERROR,
  ],
  ['CONTINUATION without HEADERS', [continuation(1, hole)], PROTOCOL_ERROR],
  ['CONTINUATION behind a whole block', [wait, continuation(1, hole)], PROTOCOL_ERROR],
  ['CONTINUATION of another stream', [headers(1, block, { complete: false }), continuation(3, hole)], PROTOCOL_ERROR],
  ['DATA within a block', [headers(1, block, { complete: false }), data(1, 'x')], PROTOCOL_ERROR],
  ['PING within a block', [headers(1, block, { complete: false }), ping()], PROTOCOL_ERROR],
  ['an unknown type within a block', [headers(1, block, { complete: false }), frame(99, 0, 0)], PROTOCOL_ERROR],
  ['HEADERS on a stream that has ended', [request(1), request(1)], STREAM_CLOSED],
  ['DATA on a stream that has ended', [request(1), data(1, 'x')], STREAM_CLOSED],
]

test.each(connectionErrors)('%s: a connection error', async (_name, frames, code) => {
  const { peer, connection } = await serve()
  peer.send(...frames)
  expect(await peer.until('GOAWAY')).toMatchObject({ code })
  expect(await peer.ended()).toBe('fin')
  expect(connection.told.filter((one) => one.startsWith('over '))).toHaveLength(1)
  expect(connection.streams.size).toBe(0)
})

/** What ends a stream only: the code of RST_STREAM on stream 1. */
const streamErrors: readonly (readonly [name: string, frames: readonly Buffer[], code: number])[] = [
  ['DATA after END_STREAM', [request(1, [':path', '/wait']), data(1, 'x')], STREAM_CLOSED],
  ['HEADERS after END_STREAM', [request(1, [':path', '/wait']), headers(1, ['a', 'b'], { end: true })], STREAM_CLOSED],
  ['trailers without END_STREAM', [wait, headers(1, ['a', 'b'])], PROTOCOL_ERROR],
  ['trailers that are too long', [wait, headers(1, long, { end: true })], 11],
  ['WINDOW_UPDATE of 0', [wait, windowUpdate(1, 0)], PROTOCOL_ERROR],
  ['a window of 2^31', [wait, windowUpdate(1, 2 ** 31 - 1)], FLOW_CONTROL_ERROR],
  ['DATA behind an RST_STREAM', [wait, rst(1), data(1, 'x')], STREAM_CLOSED],
  ['HEADERS behind an RST_STREAM', [wait, rst(1), headers(1, ['a', 'b'], { end: true })], STREAM_CLOSED],
  ['a request that is refused', [request(1, [':path', '/refuse'])], codes.REFUSED_STREAM],
]

test.each(streamErrors)('%s: a stream error', async (_name, frames, code) => {
  const { peer, connection } = await serve()
  peer.send(...frames, request(3))
  expect(await peer.answer(1)).toMatchObject({ reset: code })
  expect((await peer.answer(3)).body.toString()).toBe('hello')
  expect(connection.streams.size).toBe(0)
})

test('what a peer may do is nothing to it', async () => {
  const { peer, connection } = await serve()
  peer.send(
    frame(99, 0xff, 7, 'unknown'),
    priority(9),
    priority(1),
    rawSettings([[0x7777, 5]]),
    request(1, [':path', '/wait']),
    // A stream that this side has reset, whose client did not know yet.
    headers(3, requestFields([':path', '/refuse'])),
    data(3, 'x'),
    windowUpdate(3, 5),
    headers(3, ['a', 'b'], { end: true }),
    rst(3),
    rst(1),
    rst(1),
    windowUpdate(1, 10),
    frame('HEADERS', 0x25, 5, Buffer.concat([Buffer.of(0, 0, 0, 0, 9), encodeBlock(requestFields())])),
    headers(7, requestFields(), { end: true, padding: 20, split: 10 }),
  )
  expect((await peer.answer(5)).body.toString()).toBe('hello')
  expect((await peer.answer(7)).body.toString()).toBe('hello')
  expect(connection.made[0]!.told).toEqual(['reset 8'])
  expect(peer.frames.filter(({ name }) => name === 'GOAWAY')).toEqual([])
})

test('a block that is ignored still changes the table', async () => {
  const { peer } = await serve()
  const indexed = encodeBlock(requestFields([':path', '/refuse']))
  // x-new: value with incremental indexing, the first entry of the table afterwards.
  const added = Buffer.concat([indexed, Buffer.of(0x40, 5), Buffer.from('x-new'), Buffer.of(5), Buffer.from('value')])
  peer.send(headers(1, added, { end: true }))
  await peer.until('RST_STREAM')
  peer.send(headers(3, Buffer.concat([encodeBlock(requestFields()), Buffer.of(0xbe)]), { end: true }))
  expect((await peer.answer(3)).body.toString()).toBe('hello')
})

test('a request whose list is too long is still answered', async () => {
  const { peer } = await serve()
  peer.send(request(1, long), request(3))
  expect((await peer.answer(1)).body.toString()).toBe('too long')
  expect((await peer.answer(3)).body.toString()).toBe('hello')
})

test('bytes that are no preface, and a first frame that is not SETTINGS', async () => {
  for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\rX')]) {
    const { peer } = await serve({ settings: false })
    peer.send(bytes)
    expect(await peer.until('GOAWAY')).toMatchObject({ code: PROTOCOL_ERROR })
  }
  const { peer } = await serve({ settings: false })
  peer.send(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), ping())
  expect(await peer.until('GOAWAY')).toMatchObject({ code: PROTOCOL_ERROR })
})

test('GOAWAY of a client is told, and its streams go on', async () => {
  const { peer, connection } = await serve()
  peer.send(headers(1, requestFields([':path', '/echo'])), goaway(0), data(1, 'abc', { end: true }))
  expect((await peer.answer(1)).body.toString()).toBe('abc')
  expect(connection.told).toContain('goaway 0 0')
})

test('what a server must not send', async () => {
  const cases: [Buffer, number][] = [
    [headers(2, [':status', '200']), PROTOCOL_ERROR],
    [headers(5, [':status', '200']), PROTOCOL_ERROR],
    [data(5, 'x'), PROTOCOL_ERROR],
    [settings({ enablePush: 1 }), PROTOCOL_ERROR],
    [frame('PUSH_PROMISE', 4, 1, Buffer.concat([uint32(2), block])), PROTOCOL_ERROR],
  ]
  for (const [wrong, code] of cases) {
    const backend = await rawBackend((peer, { isEnd }) => isEnd && peer.send(wrong))
    const connection = await connect(backend.port)
    const stream = send(connection)
    while (backend.peers.length === 0) await new Promise(setImmediate)
    const peer = backend.peers[0]!
    expect(await peer.until('GOAWAY')).toMatchObject({ code })
    expect(stream.told.at(-1)).toMatch(/^reset undefined/)
  }
})
