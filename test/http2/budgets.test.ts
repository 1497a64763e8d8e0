import { expect, test } from 'vitest'
import {
  codes,
  continuation,
  data,
  frame,
  headers,
  ping,
  priority,
  request,
  requestFields,
  rst,
  settings,
  settingsAck,
  windowUpdate,
} from './frames.ts'
import { encodeBlock } from './hpack.ts'
import { serve } from './plain.ts'

const post = (stream: number, path = '/wait'): Buffer => headers(stream, requestFields([':path', path]))
const times = (count: number, make: (index: number) => Buffer): Buffer[] =>
  Array.from({ length: count }, (_, index) => make(index))
const odd = (index: number): number => 2 * index + 1

/** What a client can do for nothing: some of it is served, more ends the connection, and the text says why. */
const floods: readonly {
  readonly name: string
  /** Before the flood. */
  readonly first?: readonly Buffer[]
  readonly flood: (index: number) => Buffer
  /** How many are allowed. */
  readonly allowed: number
  readonly text: RegExp
}[] = [
  {
    name: 'requests that are reset at once',
    flood: (index) => Buffer.concat([request(odd(index), [':path', '/wait']), rst(odd(index))]),
    allowed: 256,
    text: /too many streams reset before a response: more than 256, and then 32 a second/,
  },
  {
    name: 'resets that frames made us send (MadeYouReset)',
    flood: (index) => Buffer.concat([post(odd(index)), windowUpdate(odd(index), 0)]),
    allowed: 256,
    text: /too many streams reset before a response/,
  },
  {
    name: 'windows made too large, on streams that wait',
    flood: (index) => Buffer.concat([post(odd(index)), windowUpdate(odd(index), 2 ** 31 - 1)]),
    allowed: 256,
    text: /too many streams reset before a response/,
  },
  {
    name: 'requests that are refused',
    flood: (index) => request(odd(index), [':path', '/refuse']),
    allowed: 256,
    text: /too many streams reset before a response/,
  },
  { name: 'SETTINGS', flood: () => settings({ initialWindowSize: 5 }), allowed: 31, text: /too many SETTINGS/ },
  { name: 'PING', flood: () => ping(), allowed: 63, text: /too many PING: more than 64/ },
  { name: 'PRIORITY', flood: (index) => priority(odd(index)), allowed: 256, text: /too many PRIORITY/ },
  { name: 'empty DATA', first: [post(1)], flood: () => data(1, ''), allowed: 64, text: /too many empty DATA/ },
  {
    name: 'DATA of padding only',
    first: [post(1)],
    flood: () => data(1, '', { padding: 10 }),
    allowed: 64,
    text: /too many empty DATA/,
  },
  {
    name: 'updates of one byte',
    first: [post(1)],
    flood: () => windowUpdate(1, 1),
    allowed: 500,
    text: /too many WINDOW_UPDATE/,
  },
  {
    name: 'updates of one byte for the connection',
    flood: () => windowUpdate(0, 1),
    allowed: 500,
    text: /too many WINDOW_UPDATE/,
  },
  { name: 'frames of unknown types', flood: () => frame(77, 0, 0), allowed: 500, text: /without effect/ },
  { name: 'acknowledgements', flood: settingsAck, allowed: 500, text: /without effect/ },
  {
    name: 'answers to PINGs that were not sent',
    flood: () => ping('12345678', true),
    allowed: 500,
    text: /without effect/,
  },
  {
    name: 'RST_STREAM on a closed stream',
    first: [post(1), rst(1)],
    flood: () => rst(1),
    allowed: 500,
    text: /frames on closed streams/,
  },
  {
    name: 'entries of the table that are not used',
    flood: (index) =>
      headers(odd(index), Buffer.concat([encodeBlock(requestFields()), ...newEntries(index)]), { end: true }),
    allowed: 20,
    text: /too many entries added to the header table/,
  },
]

/** 100 literals with incremental indexing, of a value that was not there before. */
function newEntries(index: number): Buffer[] {
  return times(100, (at) => {
    const value = `${index}.${at}`
    return Buffer.concat([Buffer.of(0x40, 1), Buffer.from('x'), Buffer.of(value.length), Buffer.from(value)])
  })
}

test.each(floods)('a flood of $name ends the connection', async ({ first = [], flood, allowed, text }) => {
  const { peer, connection } = await serve()
  peer.send(...first, ...times(allowed, flood))
  await peer.settled()
  expect(connection.told.filter((one) => one.startsWith('over'))).toEqual([])
  peer.send(...times(3000, (index) => flood(allowed + index)))
  const end = await peer.until('GOAWAY')
  expect(end.code).toBe(codes.ENHANCE_YOUR_CALM)
  expect(end.payload.subarray(8).toString()).toMatch(text)
  expect(connection.streams.size).toBe(0)
  expect(connection.told.at(-1)).toMatch(/^over ENHANCE_YOUR_CALM: too many/)
})

test('budgets refill with what is useful', async () => {
  const { peer } = await serve()
  for (let round = 0; round < 16; round++) {
    peer.send(
      ...times(100, (index) => {
        const id = odd(round * 100 + index)
        return Buffer.concat([priority(id), request(id), windowUpdate(id, 100), windowUpdate(0, 100)])
      }),
    )
    for (let index = 0; index < 100; index++) await peer.answer(odd(round * 100 + index))
  }
  peer.send(post(9001, '/wait'), ...times(500, () => Buffer.concat([data(9001, 'x'), ping()])))
  await peer.settled()
})

test('a header block of too many CONTINUATION frames, or of too many bytes', async () => {
  const block = encodeBlock(requestFields())
  const begun = headers(1, block, { complete: false })
  for (const rest of [
    times(9, () => continuation(1, Buffer.alloc(0), false)),
    times(3, () => continuation(1, Buffer.alloc(16_000), false)),
  ]) {
    const { peer, connection } = await serve()
    peer.send(begun, ...rest)
    const end = await peer.until('GOAWAY')
    expect(end.code).toBe(codes.ENHANCE_YOUR_CALM)
    expect(end.payload.toString('latin1')).toMatch(/a header block has more than (8|32768 bytes of) CONTINUATION/)
    expect(connection.made).toEqual([])
  }
  const { peer } = await serve()
  peer.send(
    begun,
    ...times(7, () => continuation(1, Buffer.alloc(0), false)),
    continuation(1, Buffer.alloc(0)),
    data(1, '', { end: true }),
  )
  expect((await peer.answer(1)).statuses).toEqual(['200'])
})

test('no more than 128 streams are open at a time', async () => {
  const { peer, connection } = await serve()
  peer.send(...times(130, (index) => post(odd(index))))
  await peer.settled()
  expect(connection.made.length).toBe(128)
  expect((await peer.answer(odd(128))).reset).toBe(codes.REFUSED_STREAM)
  expect((await peer.answer(odd(129))).reset).toBe(codes.REFUSED_STREAM)
  peer.send(rst(1), request(odd(130)))
  expect((await peer.answer(odd(130))).body.toString()).toBe('hello')
})

test('answers to a client that does not read are bounded', async () => {
  const { peer, connection } = await serve({ acks: false })
  peer.socket.pause()
  connection.begun = (stream) => {
    stream.sendHead(
      [
        ':status',
        '200',
        ...times(50, () => Buffer.alloc(0)).flatMap((_, at) => [`x-${at}`, `${stream.id}`.repeat(60)]),
      ],
      true,
    )
    stream.sendEnd()
  }
  let worst = 0
  for (let index = 0; connection.isOpen && index < 40_000; index += 50) {
    peer.send(...times(50, (at) => request(odd(index + at))))
    await new Promise(setImmediate)
    worst = Math.max(worst, connection.transport.unsent)
    if (peer.socket.writableLength > 4_000_000) break
  }
  expect(worst).toBeLessThan(2_000_000)
})
