import { describe, expect, test } from 'vitest'
import { echo, shareBackend } from '../helpers/backend.ts'
import { codes, data, frame, headers, preface, request, requestFields, settings } from './frames.ts'
import { closed, expectHealthy, expectServed, note, shareHttp2 } from './gateway.ts'
import { encodeBlock } from './hpack.ts'
import { fine, type Malformed, ofConnection, ofEither, ofStream } from './malformed.ts'
import { openRaw, type RawPeer } from './raw.ts'

const share = shareHttp2()
const backend = shareBackend((incoming, response) => echo(incoming, response))

/** Sends what is malformed, and gives back the connection and the frame that refuses it. */
async function refused(port: number, [what, bytes, code]: Malformed): Promise<{ client: RawPeer; by: string }> {
  const client = await openRaw(port)
  client.send(bytes)
  const last = await client
    .until(({ name, isEnd, code }) => name === 'RST_STREAM' || (name === 'GOAWAY' && code !== 0) || isEnd)
    .catch((error: Error) => expect.fail(`${what}: ${error.message}`))
  expect([code].flat(), `${what}: ${client.said()}`).toContain(last.code)
  return { client, by: last.name! }
}

describe('malformed input of a client', () => {
  test('a malformed request is reset, reaches no backend, and the connection goes on', async () => {
    const gateway = await share([(await backend()).port])
    const port = gateway.port('web')
    await expectServed(port)
    const before = note(gateway)
    for (const one of ofStream) {
      const { client, by } = await refused(port, one)
      expect([one[0], by]).toEqual([one[0], 'RST_STREAM'])
      client.send(request(3))
      expect((await client.answer(3)).statuses, one[0]).toEqual(['200'])
      expect(client.frames.filter(({ name, stream }) => name === 'HEADERS' && stream === 1)).toEqual([])
      await closed(client)
    }
    await expectHealthy(gateway, before, 100)
  })

  test('a violation of the protocol ends its connection, with GOAWAY, and no other', async () => {
    const gateway = await share([(await backend()).port])
    const port = gateway.port('web')
    await expectServed(port)
    const before = note(gateway)
    for (const one of ofConnection) {
      const { client, by } = await refused(port, one)
      expect([one[0], by]).toEqual([one[0], 'GOAWAY'])
      await client.ended()
    }
    for (const one of ofEither) {
      const { client } = await refused(port, one)
      await closed(client)
    }
    await expectHealthy(gateway, before, 100)
  })

  test('what only looks odd is served', async () => {
    const port = (await share([(await backend()).port])).port('web')
    for (const [what, bytes] of fine) {
      const client = await openRaw(port)
      const stream = bytes.includes(request(3)) ? 3 : 1
      client.send(bytes)
      expect((await client.answer(stream)).statuses, `${what}: ${client.said()}`).toEqual(['200'])
      await closed(client)
    }
  })

  test('a wrong preface, or no SETTINGS behind it, ends the connection', async () => {
    const port = (await share([(await backend()).port])).port('web')
    const wrong = Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n', 'latin1')
    for (const bytes of [wrong, Buffer.concat([preface, request(1)])]) {
      const client = await openRaw(port, { settings: false })
      client.socket.write(bytes)
      await client.ended()
      expect(client.frames.filter(({ name }) => name === 'HEADERS')).toEqual([])
      await expectServed(port)
    }
  })
})

describe('frames cut at every byte', () => {
  const exchange = Buffer.concat([
    preface,
    settings({ initialWindowSize: 100_000 }),
    request(1, [':path', '/one', 'x-a', 'b'], { end: true, split: 30, padding: 3 }),
    request(3, [':method', 'POST', ':path', '/two'], {}),
    frame(0xbb, 1, 3, 'unknown'),
    data(3, 'some bytes', { padding: 2 }),
    headers(3, ['x-sum', '1'], { end: true }),
  ])

  const ask = async (port: number, pieces: readonly Buffer[]): Promise<unknown[]> => {
    const client = await openRaw(port, { settings: false, acks: false, credit: false })
    for (const piece of pieces) {
      client.socket.write(piece)
      await new Promise((resolve) => setImmediate(resolve))
    }
    const answers = [await client.answer(1), await client.answer(3)]
    await closed(client)
    return answers.map(({ statuses, body }) => {
      const { method, url, body: sent } = JSON.parse(body.toString()) as Record<string, unknown>
      return [statuses, method, url, sent]
    })
  }
  const whole = [
    [['200'], 'GET', '/one', ''],
    [['200'], 'POST', '/two', 'some bytes'],
  ]

  test('in two pieces, and byte by byte: always the same', async () => {
    const port = (await share([(await backend()).port])).port('web')
    expect(await ask(port, [exchange])).toEqual(whole)
    const bytes = [...exchange].map((byte) => Buffer.of(byte))
    expect(await ask(port, bytes)).toEqual(whole)
    for (let at = 1; at < exchange.length; at += 8) {
      const cuts = Array.from({ length: 8 }, (_, i) => Math.min(at + i, exchange.length - 1))
      const all = await Promise.all(cuts.map((cut) => ask(port, [exchange.subarray(0, cut), exchange.subarray(cut)])))
      for (const one of all) expect(one).toEqual(whole)
    }
  })

  test('a connection that ends at any byte leaves nothing behind, and no request is taken for complete', async () => {
    const gateway = await share([(await backend()).port])
    const port = gateway.port('web')
    await expectServed(port)
    const before = note(gateway)
    for (let at = 1; at < exchange.length; at++) {
      const client = await openRaw(port, { settings: false, acks: false, credit: false })
      client.socket.end(exchange.subarray(0, at))
      await client.ended()
      expect(client.frames.filter(({ stream, isEnd }) => stream === 3 && isEnd)).toEqual([])
    }
    await expectHealthy(gateway, before, 100)
  })
})

describe('HPACK bombs', () => {
  const entry = encodeBlock(['x-bomb', 'b'.repeat(3_900)], 'indexed')
  const times = (count: number): Buffer => Buffer.alloc(count, 0x80 | 62)

  test('a block that unpacks to megabytes is refused, its memory is never held, and the tables stay right', async () => {
    const gateway = await share([(await backend()).port])
    const port = gateway.port('web')
    await expectServed(port)
    const before = note(gateway)
    for (let round = 0; round < 20; round++) {
      const client = await openRaw(port)
      client.send(headers(1, Buffer.concat([encodeBlock(requestFields()), entry, times(10_000)]), { end: true }))
      const answer = await client.answer(1)
      expect(answer.reset === undefined ? answer.statuses : ['431'], client.said()).toEqual(['431'])
      // The entry is in the table all the same.
      client.send(headers(3, Buffer.concat([encodeBlock(requestFields()), times(1)]), { end: true }))
      const next = await client.answer(3)
      expect(next.statuses).toEqual(['200'])
      expect((JSON.parse(next.body.toString()) as { headers: Record<string, string> }).headers['x-bomb']).toBe(
        'b'.repeat(3_900),
      )
      await closed(client)
    }
    await expectHealthy(gateway, before, 100)
  })

  test('a list of many small fields is refused as well', async () => {
    const port = (await share([(await backend()).port])).port('web')
    const client = await openRaw(port)
    // Index 16: accept-encoding: gzip, deflate.
    client.send(headers(1, Buffer.concat([encodeBlock(requestFields()), Buffer.alloc(8_000, 0x90)]), { end: true }))
    const answer = await client.answer(1)
    expect(answer.reset ?? Number(answer.statuses[0])).toSatisfy(
      (one: number) => one === 431 || one === codes.PROTOCOL_ERROR,
    )
    await expectServed(port)
  })
})
