import { expect, test } from 'vitest'
import { growth, largestWindow } from '../../core/http2/flow-window.ts'
import { codes, data, headers, request, requestFields, rst, settings, windowUpdate } from './frames.ts'
import { connect, type PlainStream, send, serve } from './plain.ts'
import { type RawPeer, rawBackend } from './raw.ts'

const manual = { credit: false } as const

function bodyOf(peer: RawPeer, stream: number): number {
  return peer.frames
    .filter((frame) => frame.name === 'DATA' && frame.stream === stream)
    .reduce((sum, { payload }) => sum + payload.length, 0)
}

/** Waits until that much has come on these streams together; more must not follow. */
async function comes(peer: RawPeer, streams: readonly number[], size: number): Promise<void> {
  const sum = (): number => streams.reduce((all, stream) => all + bodyOf(peer, stream), 0)
  // The answer to a PING may overtake data that waits for the kernel.
  for (let at = 0; sum() < size; at++) at = (await peer.until('DATA', at)).index
  await peer.settled()
  expect(sum()).toBe(size)
}

function creditOf(peer: RawPeer, stream: number): number {
  return peer.frames
    .filter((frame) => frame.name === 'WINDOW_UPDATE' && frame.stream === stream)
    .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0)
}

/** A body on a stream in frames of 16,000 bytes at most. */
function upload(stream: number, size: number): Buffer[] {
  const frames: Buffer[] = []
  for (let left = size; left > 0; left -= 16_000) frames.push(data(stream, Buffer.alloc(Math.min(left, 16_000), 'u')))
  return frames
}

const post = (stream: number, path: string): Buffer => headers(stream, requestFields([':path', path]))

test('no more is sent than both windows allow', async () => {
  const { peer, connection } = await serve(manual)
  peer.send(request(1, [':path', '/large']), request(3, [':path', '/large']))
  await comes(peer, [1, 3], 65_535)
  peer.send(windowUpdate(0, 1_000_000))
  await comes(peer, [1, 3], 2 * 65_535)
  expect(bodyOf(peer, 1)).toBe(65_535)
  peer.send(windowUpdate(3, 1))
  await comes(peer, [3], 65_536)
  peer.send(windowUpdate(3, 500_000), windowUpdate(1, 500_000))
  expect([(await peer.answer(1)).body.length, (await peer.answer(3)).body.length]).toEqual([200_000, 200_000])
  await peer.settled()
  expect(connection.made.map(({ told }) => told)).toEqual([['flushed'], ['flushed']])
})

test('the initial window changes under way, below zero, too', async () => {
  const { peer, connection } = await serve({ ...manual, settings: { initialWindowSize: 1000 } })
  peer.send(windowUpdate(0, 1_000_000), request(1, [':path', '/large']))
  await comes(peer, [1], 1000)
  peer.send(settings({ initialWindowSize: 0 }))
  await peer.settled()
  expect(connection.made[0]!.credit).toBe(-1000)
  peer.send(windowUpdate(1, 1000))
  await comes(peer, [1], 1000)
  peer.send(settings({ initialWindowSize: 500 }))
  await comes(peer, [1], 1500)
  peer.send(settings({ initialWindowSize: 300_000 }))
  expect((await peer.answer(1)).body.length).toBe(200_000)
})

test('streams with data take turns', async () => {
  const { peer } = await serve(manual)
  peer.send(request(1, [':path', '/large']), request(3, [':path', '/large']), request(5, [':path', '/large']))
  await comes(peer, [1, 3, 5], 65_535)
  const from = peer.frames.length
  peer.send(...[1, 3, 5].map((stream) => windowUpdate(stream, 200_000)), windowUpdate(0, 10 * 16_384))
  await comes(peer, [1, 3, 5], 65_535 + 10 * 16_384)
  const order = peer.frames.slice(from).filter(({ name }) => name === 'DATA')
  for (let at = 0; at + 3 <= order.length; at += 3) {
    expect(new Set(order.slice(at, at + 3).map(({ stream }) => stream)).size).toBe(3)
  }
  expect(order.every(({ payload }) => payload.length <= 16_384)).toBe(true)
})

test('a writer is told when there is room', async () => {
  const { peer, connection } = await serve(manual)
  peer.send(request(1, [':path', '/endless']))
  await comes(peer, [1], 65_535)
  const stream = connection.made[0]!
  expect(stream.isFlushed).toBe(false)
  expect(stream.unsent).toBeLessThan(1000)
  expect(stream.told).toEqual([])
  peer.send(windowUpdate(0, 5000), windowUpdate(1, 5000))
  await comes(peer, [1], 70_535)
  expect(stream.told.at(-1)).toBe('writable')
})

test('more than the window of a stream is its error, and the rest goes on', async () => {
  const { peer, connection } = await serve()
  peer.send(post(1, '/stall'), ...upload(1, 65_535), data(1, 'x'), request(3))
  expect(await peer.answer(1)).toMatchObject({ reset: codes.FLOW_CONTROL_ERROR })
  expect((await peer.answer(3)).body.toString()).toBe('hello')
  expect(connection.made[0]!.told).toHaveLength(1)
})

test('credit comes back when the owner has taken the data, never before', async () => {
  const { peer, connection } = await serve()
  peer.send(post(1, '/stall'), ...upload(1, 65_535))
  await peer.settled()
  expect(creditOf(peer, 1)).toBe(0)
  const stream = connection.made[0]!
  expect(stream.told).toEqual([])
  stream.resume()
  await peer.settled()
  expect(stream.body.length).toBe(65_535)
  expect(creditOf(peer, 1)).toBeGreaterThan(32_000)
})

test('padding counts, and comes back on its own', async () => {
  const { peer, connection } = await serve()
  const before = connection.window.left
  peer.send(post(1, '/stall'), data(1, '', { padding: 255 }), data(1, 'x', { padding: 255 }))
  await peer.settled()
  expect(connection.window.left).toBe(before - 513)
  // A window whose credit is only padding would otherwise be closed for good.
  peer.send(...Array.from({ length: 250 }, () => data(1, 'x', { padding: 254 })))
  await peer.settled()
  expect(creditOf(peer, 1)).toBeGreaterThan(0)
})

test('the window grows while the reader keeps up, never while it does not', async () => {
  const { peer, connection } = await serve()
  peer.send(post(1, '/wait'), post(3, '/stall'))
  await peer.settled()
  for (let sent = 0, allowed = 65_535; sent < 2_000_000; ) {
    const count = Math.min(16_000, allowed - sent)
    if (count > 0) peer.send(data(1, Buffer.alloc(count)))
    sent += count
    await peer.settled()
    allowed = 65_535 + creditOf(peer, 1)
    expect(allowed - sent).toBeLessThanOrEqual(largestWindow)
  }
  const [read, stalled] = connection.made as [PlainStream, PlainStream]
  expect(read.grown).toBe(largestWindow - 65_535)
  expect(stalled.grown).toBe(0)
  peer.send(rst(1))
  await peer.settled()
  expect(connection.growth(65_535)).toBe(65_535)
  expect(growth).toBeGreaterThan(largestWindow)
})

test('30 streams stand, and the 31st is served; so with 100', async () => {
  const { peer, connection } = await serve()
  for (let id = 1; id < 200; id += 2) peer.send(post(id, '/stall'), ...upload(id, 65_535))
  peer.send(post(201, '/echo'), data(201, 'served', { end: true }))
  expect((await peer.answer(201)).body.toString()).toBe('served')
  expect(connection.streams.size).toBe(100)
  for (const stream of connection.made) stream.resume()
  await peer.settled()
  expect(connection.made.every(({ body, path }) => path === '/echo' || body.length === 65_535)).toBe(true)
})

test('what a stream that is reset had kept comes back to the connection', async () => {
  const { peer, connection } = await serve()
  const before = connection.window.left
  for (let id = 1; id < 250; id += 2) {
    peer.send(post(id, '/stall'), ...upload(id, 65_535), rst(id))
    await peer.settled()
  }
  expect(connection.window.left).toBeGreaterThan(before / 2 - 65_535)
})

test('a client that pauses holds back its backend', async () => {
  let peer: RawPeer | undefined
  const backend = await rawBackend((from, { isEnd }) => {
    peer = from
    if (isEnd) from.send(headers(1, [':status', '200']), ...upload(1, 65_535))
  })
  const connection = await connect(backend.port)
  const stream = send(connection)
  stream.pause()
  while (stream.list === undefined) await new Promise(setImmediate)
  await peer!.settled()
  expect(stream.body).toBe('')
  expect(creditOf(peer!, 1)).toBe(0)
  stream.resume()
  expect(stream.body.length).toBe(65_535)
  peer!.send(data(1, 'end', { end: true }))
  while (!stream.told.includes('end')) await new Promise(setImmediate)
  expect(stream.body.length).toBe(65_538)
})

test('the end and the trailers wait behind data that is kept', async () => {
  const { peer, connection } = await serve()
  peer.send(post(1, '/stall'), data(1, 'a'), data(1, 'b'), headers(1, ['t', '1'], { end: true }), post(3, '/stall'))
  peer.send(headers(3, ['t', '2'], { end: true }))
  await peer.settled()
  const [first, second] = connection.made as [PlainStream, PlainStream]
  expect([first.told, second.told]).toEqual([[], []])
  first.resume()
  second.resume()
  expect(first.body).toBe('ab')
  expect(first.told).toEqual(['data', 'fields t end', 'end'])
  expect(second.told).toEqual(['fields t end', 'end'])
})

test('a peer that does not read stops data, and gets the rest later', async () => {
  const { peer, connection } = await serve({ settings: { initialWindowSize: 2 ** 31 - 1 } })
  peer.send(windowUpdate(0, 2 ** 30), request(1, [':path', '/endless']))
  peer.socket.pause()
  const stream = (await until(() => connection.made[0]))!
  await until(() => (connection.transport.unsent > 0 ? true : undefined))
  await new Promise(setImmediate)
  expect(stream.told.at(-1) ?? 'writable').toBe('writable')
  expect(connection.transport.unsent).toBeLessThan(256 * 1024)
  stream.endless = false
  peer.socket.resume()
  await until(() => (stream.isFlushed && connection.transport.unsent === 0 ? true : undefined))
  stream.sendEnd()
  await peer.until((frame) => frame.stream === 1 && frame.isEnd)
  expect(bodyOf(peer, 1) % 1000).toBe(0)
})

async function until<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look()
    if (found !== undefined) return found
    await new Promise(setImmediate)
  }
}
