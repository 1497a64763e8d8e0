import { describe, expect, test } from 'vitest'
import { HpackEncoder } from '../../core/http2/hpack-encoder.ts'
import { echoBackend } from '../helpers/backend.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { ask, poolOf } from './asking.ts'
import { codes, data, headers, rawSettings, request, requestFields } from './frames.ts'
import { serve as serveStreams } from './plain.ts'
import { answering, fieldOf, openRaw, rawBackend } from './raw.ts'
import { serve, whole } from './serve.ts'

const ok = [':status', '200']

describe('the head of a response', () => {
  /** 64 KB with 500 fields. */
  const large = Array.from({ length: 500 }, (_, index) => [`x-${index}`, 'v'.repeat(120)]).flat()
  const huge = ['x', 'v'.repeat(82_000)]

  /** Requests for `/` are answered; others get a head in frames of this size. */
  const backendOf = (fields: string[], split: number) =>
    rawBackend((peer, frame) => {
      const { stream, isEnd, name } = frame
      if (name !== 'HEADERS' || !isEnd) return
      if (fieldOf(frame.fields, ':path') === '/') return answering()(peer, frame)
      peer.send(headers(stream, [...ok, ...fields], { end: true, split }))
    })

  test.each([16_384, 2_500])('may have 64 KB, as over HTTP/1.1, in frames of %s bytes', async (split) => {
    const backend = await backendOf(large, split)
    const asked = await ask(poolOf(backend.port), { target: '/large' }).ended()
    expect(asked.error).toBeUndefined()
    expect(asked.fields.list).toEqual(large)
  })

  test('that is larger fails its stream, and no other one', async () => {
    const backend = await backendOf(huge, 16_384)
    const pool = poolOf(backend.port)
    const asked = await ask(pool, { target: '/huge' }).ended()
    expect(asked.error).toMatchObject({ code: 'UPE', message: expect.stringMatching(/the header list has \d+ bytes/) })
    expect((await ask(pool).ended()).error).toBeUndefined()
    expect(backend.peers).toHaveLength(1)
  })

  test('that has no end in sight fails the session', async () => {
    const backend = await backendOf(['x', 'v'.repeat(200_000)], 16_384)
    const asked = await ask(poolOf(backend.port), { target: '/endless' }).ended()
    expect(asked.error).toMatchObject({ code: 'UPE', message: expect.stringMatching(/more than 131072 bytes/) })
  })
})

test('interim responses that come while the owner pauses are kept up to their limit', async () => {
  const interim = headers(1, [':status', '103'])
  const backend = await rawBackend((peer, { name }) => {
    if (name === 'HEADERS') peer.send(...Array.from({ length: 2000 }, () => interim))
  })
  const asked = ask(poolOf(backend.port))
  asked.exchange.pause()
  const peer = await until('a session', () => backend.peers[0])
  expect(await peer.until('RST_STREAM')).toMatchObject({ stream: 1, code: codes.PROTOCOL_ERROR })
  expect(asked.over).toBe(false)
  asked.exchange.resume()
  await asked.ended()
  expect(asked.error).toMatchObject({ code: 'UPE', message: expect.stringMatching(/more than 32 interim/) })
})

describe('SETTINGS that name several sizes of the table', () => {
  test('the smallest one counts, and both are announced', async () => {
    const served = await serve(whole('ok', ['x-long', 'v'.repeat(30)]))
    const client = await openRaw(served.port)
    for (const stream of [1, 3, 5]) {
      client.send(request(stream))
      await client.answer(stream)
    }
    client.send(
      rawSettings([
        [1, 4096],
        [1, 0],
        [1, 4096],
      ]),
    )
    client.send(request(7))
    await client.answer(7)
    const block = client.frames.find(({ name, stream }) => name === 'HEADERS' && stream === 7)!.payload
    // 0, then 4096 as 31 + 4065.
    expect([...block.subarray(0, 4)]).toEqual([0x20, 0x3f, 0xe1, 0x1f])
  })

  test('what does not change says nothing', () => {
    const encoder = new HpackEncoder()
    const out = { memory: Buffer.alloc(64), at: 0, reserve(): void {} }
    encoder.limit(4096)
    encoder.encode(out, ok)
    expect(out.at).toBe(1)
  })
})

test('an extended CONNECT has no content-length', async () => {
  const backend = await rawBackend(
    (peer, { name, stream }) => {
      if (name === 'HEADERS') peer.send(headers(stream, ok))
    },
    { settings: { enableConnectProtocol: 1 } },
  )
  const fields = ['host', 'a.test', 'content-length', '0']
  const asked = ask(poolOf(backend.port), { upgrade: 'websocket', fields, owner: { onUpgrade() {} } })
  const peer = await until('a session', () => backend.peers[0])
  const head = await peer.until('HEADERS')
  expect(head.fields).toEqual(expect.arrayContaining([':protocol', 'websocket']))
  expect(fieldOf(head.fields, 'content-length')).toBeUndefined()
  asked.exchange.cancel()
})

test('a host that no route can match gets 400, and its connection goes on', async () => {
  const { port, record } = await startInProcess(
    httpConfig([(await echoBackend()).port], { listeners: { web: { http: ['2'] } } }),
  )
  const client = await openRaw(port('web'))
  const bad = ['u@a.test', 'u:p@a.test', 'a.test:99999', '[::1']
  for (const [index, authority] of bad.entries()) {
    client.send(request(2 * index + 1, [':authority', authority]))
    expect(await client.answer(2 * index + 1)).toMatchObject({ statuses: ['400'] })
  }
  client.send(request(9))
  expect(await client.answer(9)).toMatchObject({ statuses: ['200'] })
  expect(client.said()).not.toContain('GOAWAY')
  expect(await record(({ status }) => status === 400)).toMatchObject({ outcome: 'DPE' })
})

test('what a client has said before a write failed is heard', async () => {
  const { peer, connection } = await serveStreams()
  peer.send(headers(1, requestFields([':path', '/wait'])))
  const stream = await until('the request', () => connection.made[0])
  peer.send(data(1, 'abc', { end: true }))
  connection.onError(Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' }))
  await until('the end', () => stream.told.some((one) => one.startsWith('reset')))
  expect(stream.told.slice(0, 2)).toEqual(['data', 'end'])
})
