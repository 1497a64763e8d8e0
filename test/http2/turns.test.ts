import { expect, test } from 'vitest'
import type { ByteReceiver, ByteStream } from '../../core/net/byte-stream.ts'
import {
  continuation,
  data,
  frame,
  goaway,
  headers,
  ping,
  preface,
  priority,
  request,
  requestFields,
  rst,
  settings,
  windowUpdate,
} from './frames.ts'
import { encodeBlock } from './hpack.ts'
import { behave, connect, PlainConnection, send, serve } from './plain.ts'
import { answering, rawBackend } from './raw.ts'

const block = encodeBlock(requestFields([':path', '/echo']))

/** A bit of everything. */
const script: Buffer = Buffer.concat([
  preface,
  settings({ initialWindowSize: 70_000 }),
  windowUpdate(0, 1000),
  request(1),
  ping('abcdefgh'),
  headers(3, block.subarray(0, 5), { complete: false, padding: 3 }),
  continuation(3, block.subarray(5, 9), false),
  continuation(3, block.subarray(9)),
  data(3, 'first', { padding: 4 }),
  frame(200, 1, 3, 'unknown'),
  priority(3),
  data(3, ''),
  data(3, 'second'),
  headers(3, ['x-t', 'v'], { end: true }),
  headers(5, requestFields([':path', '/wait'])),
  rst(5),
  data(5, 'late'),
  request(7, [':path', '/empty']),
  goaway(0),
])

/** A stream in memory that keeps what is written. */
class Memory {
  readonly written: Buffer[] = []
  unsent = 0
  readonly isOpen = true
  readonly hasFailed = false
  receiver: ByteReceiver | undefined

  start(receiver: ByteReceiver): void {
    this.receiver = receiver
  }
  pause(): void {}
  resume(): void {}
  askDrain(): void {}
  end(): void {}
  destroy(): void {}
  write(bytes: Uint8Array): void {
    this.written.push(Buffer.from(bytes))
  }
  writeBorrowed(bytes: Buffer): void {
    this.written.push(Buffer.from(bytes))
  }
}

/** What a connection says and does when the script arrives in these pieces. */
async function played(pieces: readonly Buffer[], borrowed: boolean): Promise<{ said: string; told: string }> {
  const memory = new Memory()
  const connection = new PlainConnection(memory as unknown as ByteStream, true)
  for (const piece of pieces) {
    const chunk = Buffer.from(piece)
    const isFree = memory.receiver!.onBytes(chunk, borrowed)
    // Borrowed memory, and memory that is free again, is written over.
    if (borrowed || isFree) chunk.fill(0xee)
  }
  await new Promise(setImmediate)
  const told = connection.made.map((stream) => [stream.path, stream.body, stream.told, stream.list])
  return { said: Buffer.concat(memory.written).toString('latin1'), told: JSON.stringify([told, connection.told]) }
}

test('frames that are cut at any byte have the same effect', async () => {
  const whole = await played([script], false)
  expect(whole.told).toContain('"firstsecond"')
  for (const borrowed of [false, true]) {
    for (let at = 1; at < script.length; at++) {
      const cut = await played([script.subarray(0, at), script.subarray(at)], borrowed)
      expect([at, cut.told]).toEqual([at, whole.told])
      expect(cut.said === whole.said).toBe(true)
    }
    const bytes = await played(
      Array.from(script, (byte) => Buffer.of(byte)),
      borrowed,
    )
    expect(bytes).toEqual(whole)
    const threes = Array.from({ length: Math.ceil(script.length / 3) }, (_, at) => script.subarray(3 * at, 3 * at + 3))
    expect(await played(threes, borrowed)).toEqual(whole)
  }
})

test('the frames of a turn leave in one write', async () => {
  const memory = new Memory()
  const connection = new PlainConnection(memory as unknown as ByteStream, true)
  await new Promise(setImmediate)
  expect(memory.written.length).toBe(1)
  memory.receiver!.onBytes(
    Buffer.concat([preface, settings(), request(1), ping(), request(3, [':path', '/large']), request(5)]),
    true,
  )
  await new Promise(setImmediate)
  // 65,535 bytes of the large body do not fit into the memory of one write.
  expect(memory.written.length).toBe(3)
  memory.receiver!.onBytes(Buffer.concat([request(7), request(9), ping(), windowUpdate(0, 1)]), true)
  await new Promise(setImmediate)
  expect(memory.written.length).toBe(4)
  expect(connection.made.length).toBe(5)
})

test('a held head takes the end of its turn, not that of a later one', async () => {
  const { peer, connection } = await serve()
  connection.begun = (stream, isEnd) => {
    if (stream.path !== '/later') return behave(stream, isEnd)
    stream.sendHead([':status', '200'], true)
    setImmediate(() => stream.sendEnd(['grpc-status', '0']))
  }
  peer.send(request(1, [':path', '/later']))
  expect(await peer.answer(1)).toMatchObject({ statuses: ['200'], trailers: ['grpc-status', '0'] })
  const own = peer.frames.filter(({ stream }) => stream === 1)
  expect(own.map(({ name, isEnd }) => [name, isEnd])).toEqual([
    ['HEADERS', false],
    ['HEADERS', true],
  ])
})

test('interim heads come before the final one, data and trailers behind it', async () => {
  const { peer, connection } = await serve()
  connection.begun = (stream) => {
    stream.sendHead([':status', '103', 'link', 'a'], false)
    stream.sendHead([':status', '200'], true)
    stream.sendHead([':status', '500'], true)
    stream.sendData(Buffer.from('body'))
    stream.sendEnd(['t', '1'])
    stream.sendData(Buffer.from('more'))
    stream.sendEnd()
  }
  peer.send(request(1))
  expect(await peer.answer(1)).toMatchObject({
    statuses: ['103', '200'],
    body: Buffer.from('body'),
    trailers: ['t', '1'],
    reset: undefined,
  })
})

test('a head larger than a frame goes on in CONTINUATION', async () => {
  const { peer, connection } = await serve()
  const value = '\x01'.repeat(30_000)
  connection.begun = (stream) => stream.answer('', ['x-large', value])
  peer.send(request(1), request(3))
  for (const id of [1, 3]) expect((await peer.answer(id)).fields).toEqual([':status', '200', 'x-large', value])
  await peer.settled()
})

test('GOAWAY: the first one forbids nothing, the second one what comes later', async () => {
  const { peer, connection } = await serve()
  peer.send(headers(1, requestFields([':path', '/echo'])))
  await peer.settled()
  let ponged = false
  connection.goaway(0, 2 ** 31 - 1)
  connection.ping(() => {
    ponged = true
  })
  peer.send(request(3))
  await peer.answer(3)
  while (!ponged) await new Promise(setImmediate)
  connection.goaway(0)
  peer.send(
    headers(5, requestFields()),
    data(5, 'x'),
    headers(5, ['t', '1'], { end: true }),
    data(1, 'y', { end: true }),
  )
  expect((await peer.answer(1)).body.toString()).toBe('y')
  await peer.settled()
  expect(peer.frames.filter(({ stream }) => stream === 5)).toEqual([])
  expect(peer.frames.filter(({ name }) => name === 'GOAWAY').map(({ lastStream }) => lastStream)).toEqual([
    2 ** 31 - 1,
    3,
  ])
  connection.close()
  expect(await peer.ended()).toBe('fin')
})

test('GOAWAY of a server: streams above its last id were not processed', async () => {
  const backend = await rawBackend((peer, { stream, isEnd }) => {
    if (isEnd && stream === 5) peer.send(goaway(1), headers(1, [':status', '200'], { end: true }))
  })
  const connection = await connect(backend.port)
  const streams = [send(connection), send(connection), send(connection)]
  while (streams[0]!.isOpen) await new Promise(setImmediate)
  expect(streams.map(({ told }) => told.filter((one) => one !== 'flushed'))).toEqual([
    ['fields :status end', 'end'],
    ['reset 7'],
    ['reset 7'],
  ])
  expect(connection.canOpen).toBe(false)
  expect(connection.told).toContain('goaway 1 0')
})

test('a stream that is reset drops what it held, and the session stays', async () => {
  const backend = await rawBackend((peer, frame) => {
    if (frame.stream === 3) answering('two')(peer, frame)
  })
  const connection = await connect(backend.port)
  const unsent = send(connection, '/never', false)
  unsent.reset(8)
  const first = send(connection, '/', false)
  expect(first.sendData(Buffer.alloc(100_000))).toBe(false)
  await new Promise(setImmediate)
  first.reset(8)
  expect([first.unsent, first.isFlushed, connection.active]).toEqual([0, true, 0])
  const second = send(connection)
  while (!second.told.includes('end')) await new Promise(setImmediate)
  expect([unsent.id, first.id, second.id, second.body]).toEqual([0, 1, 3, 'two'])
  expect(await backend.peers[0]!.until('RST_STREAM')).toMatchObject({ stream: 1, code: 8 })
  expect(first.told).toEqual([])
})

test('streams are told when the connection ends', async () => {
  for (const end of ['fin', 'reset'] as const) {
    const { peer, connection } = await serve()
    peer.send(headers(1, requestFields([':path', '/wait'])), request(3, [':path', '/wait']))
    await peer.settled()
    if (end === 'fin') peer.socket.end()
    else peer.socket.resetAndDestroy()
    while (!connection.told.includes('closed')) await new Promise(setImmediate)
    expect(connection.made.map(({ told }) => told[0]?.slice(0, 15))).toEqual(['reset undefined', 'reset undefined'])
    expect(connection.told.filter((one) => one.startsWith('over'))).toHaveLength(1)
    expect(connection.isOpen).toBe(false)
  }
})
