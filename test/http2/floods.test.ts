import { describe, expect, test } from 'vitest'
import { echo, shareBackend } from '../helpers/backend.ts'
import { until } from '../helpers/until.ts'
import {
  codes,
  continuation,
  data,
  headers,
  ping,
  priority,
  request,
  requestFields,
  rst,
  settings,
  windowUpdate,
} from './frames.ts'
import { closed, expectHealthy, expectServed, note, shareHttp2 } from './gateway.ts'
import { encodeBlock, integerOf } from './hpack.ts'
import { openRaw } from './raw.ts'

const share = shareHttp2()
/** Requests of a flood that came to the backend. */
let reached = 0
const stalledLength = 2_000_000
const backend = shareBackend((incoming, response) => {
  if (incoming.url === '/echo') return echo(incoming, response)
  if (incoming.url === '/late') return void setTimeout(() => response.end('ok'), 20)
  if (incoming.url === '/big') return void response.end(Buffer.alloc(stalledLength))
  if (incoming.url !== '/served') reached++
  incoming.resume()
  incoming.on('end', () => response.end('ok'))
})
const post = [':method', 'POST']
const size = (value: number): Buffer => integerOf(value, 5, 0x20)

/** Frames without end: what opens it, and what its turn `i` sends. */
interface Flood {
  readonly first?: Buffer
  readonly turn: (i: number) => Buffer
}

/** Every turn uses a stream of its own. */
const stream = (i: number): number => i * 2 + 1

const floods: Readonly<Record<string, Flood>> = {
  'rapid reset (CVE-2023-44487)': { turn: (i) => Buffer.concat([request(stream(i)), rst(stream(i))]) },
  'rapid reset of uploads': {
    turn: (i) => Buffer.concat([request(stream(i), post, {}), data(stream(i), 'x'), rst(stream(i))]),
  },
  'resets that a WINDOW_UPDATE of 0 provokes (MadeYouReset, CVE-2025-8671)': {
    turn: (i) => Buffer.concat([request(stream(i), post, {}), windowUpdate(stream(i), 0)]),
  },
  'resets that a window overflow provokes (MadeYouReset)': {
    turn: (i) => Buffer.concat([request(stream(i), post, {}), windowUpdate(stream(i), 0x7fffffff)]),
  },
  'resets that more than content-length provokes (MadeYouReset)': {
    turn: (i) => Buffer.concat([request(stream(i), [...post, 'content-length', '1'], {}), data(stream(i), 'xy')]),
  },
  'resets that malformed trailers provoke (MadeYouReset)': {
    turn: (i) => Buffer.concat([request(stream(i), post, {}), headers(stream(i), ['X', 'y'], { end: true })]),
  },
  'malformed requests': { turn: (i) => request(stream(i), ['X', 'y']) },
  'CONTINUATION without end (CVE-2024-27983)': {
    first: headers(1, encodeBlock(requestFields()), { complete: false }),
    turn: (i) => continuation(1, encodeBlock([`x-${i}`, 'y'.repeat(2_000)]), false),
  },
  'empty CONTINUATION': {
    first: headers(1, encodeBlock(requestFields()), { complete: false }),
    turn: () => continuation(1, Buffer.alloc(0), false),
  },
  SETTINGS: { turn: (i) => settings({ initialWindowSize: 65_535 + (i % 2) }) },
  'empty SETTINGS': { turn: () => settings() },
  PING: { turn: () => ping() },
  PRIORITY: { turn: (i) => priority(stream(i), 0) },
  'empty DATA': { first: request(1, post, {}), turn: () => data(1, '') },
  'DATA of padding alone': { first: request(1, post, {}), turn: () => data(1, '', { padding: 1 }) },
  'tiny WINDOW_UPDATE for the connection': { turn: () => windowUpdate(0, 1) },
  'tiny WINDOW_UPDATE for a stream': { first: request(1, post, {}), turn: () => windowUpdate(1, 1) },
  'sizes of the dynamic table that change all the time': {
    turn: (i) =>
      headers(stream(i), Buffer.concat([size(0), size(4_096), encodeBlock(requestFields(), 'indexed')]), { end: true }),
  },
  'a dynamic table that is filled anew all the time': {
    turn: (i) =>
      headers(
        stream(i),
        Buffer.concat([
          encodeBlock(requestFields()),
          encodeBlock(Array.from({ length: 400 }, (_, n) => [`x-${i}-${n}`, '']).flat(), 'indexed'),
        ]),
        { end: true },
      ),
  },
}

describe('floods end in ENHANCE_YOUR_CALM', () => {
  test.each(Object.keys(floods))('%s', async (name) => {
    const { first = Buffer.alloc(0), turn } = floods[name]!
    reached = 0
    const gateway = await share([(await backend()).port])
    const port = gateway.port('web')
    await expectServed(port)
    const before = note(gateway)
    const client = await openRaw(port)
    client.send(first)
    for (let i = 0; i < 40_000 && client.end === undefined; i += 50) {
      client.send(...Array.from({ length: 50 }, (_, n) => turn(i + n)))
      if (client.frames.some((one) => one.name === 'GOAWAY')) break
      // Others take their turn, the gateway among them.
      await new Promise((resolve) => setImmediate(resolve))
    }
    const last = await client.until('GOAWAY').catch((error: Error) => expect.fail(error.message.slice(0, 500)))
    expect([name, last.code]).toEqual([name, codes.ENHANCE_YOUR_CALM])
    await client.ended()
    client.socket.destroy()
    // Far from all of them were worth a request.
    expect(reached).toBeLessThan(5_000)
    await expectHealthy(gateway, before, 120)
  })
})

describe('what resembles a flood and is none', () => {
  test('500 requests, one after the other, each reset after its response', async () => {
    const port = (await share([(await backend()).port])).port('web')
    const client = await openRaw(port)
    for (let i = 0; i < 500; i++) {
      client.send(request(stream(i)))
      const answer = await client.answer(stream(i))
      expect(answer.statuses).toEqual(['200'])
      client.send(rst(stream(i)))
    }
    expect(client.said()).not.toContain('GOAWAY')
    await closed(client)
  })

  test('a page of 60 requests of which 20 are given up', async () => {
    const port = (await share([(await backend()).port])).port('web')
    const client = await openRaw(port)
    client.send(...Array.from({ length: 60 }, (_, i) => request(stream(i), [':path', '/late'])))
    client.send(...Array.from({ length: 20 }, (_, i) => rst(stream(i * 3))))
    for (let i = 0; i < 60; i++) {
      if (i % 3 !== 0) expect((await client.answer(stream(i))).statuses).toEqual(['200'])
    }
    await client.settled()
    expect(client.said()).not.toContain('GOAWAY')
    await closed(client)
  })

  test('a body in 5,000 frames of a byte, with a PING in between', async () => {
    const port = (await share([(await backend()).port])).port('web')
    const client = await openRaw(port)
    client.send(request(1, [...post, ':path', '/echo'], {}))
    for (let i = 0; i < 100; i++) {
      client.send(...Array.from({ length: 50 }, () => data(1, 'x')))
      if (i % 20 === 0) await client.settled()
    }
    client.send(data(1, '', { end: true }))
    const { body } = await client.answer(1)
    expect((JSON.parse(body.toString()) as { body: string }).body).toBe('x'.repeat(5_000))
    await closed(client)
  })
})

describe('streams held by a closed window', () => {
  test('30 stalled ones: the next is served, little is held, and they end after the idle time', async () => {
    const gateway = await share([(await backend()).port], {
      listeners: { web: { timeouts: { idle: '2s' } } as never },
      upstreams: { app: { timeouts: { idle: '2s' } } as never },
    })
    const port = gateway.port('web')
    await expectServed(port)
    const before = note(gateway)
    const client = await openRaw(port, { settings: { initialWindowSize: 0 } })
    client.send(...Array.from({ length: 30 }, (_, i) => request(stream(i), [':path', '/big'])))
    await until('the heads', () => client.frames.filter(({ name }) => name === 'HEADERS').length === 30)
    client.send(request(stream(30)), windowUpdate(stream(30), 100))
    const next = await client.answer(stream(30))
    expect([next.statuses, next.body.length]).toEqual([['200'], 2])
    // Each holds a window's worth, in the gateway and in the kernel, and not the response.
    await expectHealthy(gateway, { ...before, handles: before.handles + 31 }, 60)
    const resets = (): number => client.frames.filter(({ name }) => name === 'RST_STREAM').length
    await until(
      () => `resets: ${client.said()}`,
      () => resets() === 30 || client.end !== undefined,
    )
    await until(
      'the records',
      () => gateway.log.filter(({ msg, path }) => msg === 'request' && path === '/big').length === 30,
    )
    const outcomes = gateway.log.filter(({ path }) => path === '/big').map(({ outcome }) => outcome)
    expect(new Set(outcomes)).toEqual(new Set(['SI']))
    client.socket.destroy()
    await expectHealthy(gateway, before, 100)
  })
})
