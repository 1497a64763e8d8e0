import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { ExchangeOwner } from '../../core/http/exchange.ts'
import { Fields } from '../../core/http/fields.ts'
import { dropMore, endDropping } from '../../core/http1/dropped-uploads.ts'
import { until } from '../helpers/until.ts'
import { idleOwner } from './idle-owner.ts'
import { answering, collect, ok, rawBackend } from './raw-backend.ts'
import { type Relay, startRelay } from './relay.ts'
import { open, reset } from './transport.ts'

const upload = (framing: string): string => `POST / HTTP/1.1\r\nhost: h\r\n${framing}\r\n\r\n`

/** Answers every request immediately, without a look at its body. */
async function refusing(status: number, takesBody = false): Promise<Relay> {
  const relay = await startRelay(1)
  relay.answer = (exchange): ExchangeOwner => {
    queueMicrotask(() => {
      if (takesBody) exchange.receive()
      exchange.respond(status, '', new Fields(['content-length', '2']))
      exchange.write(Buffer.from('no'))
      exchange.end()
    })
    return idleOwner()
  }
  return relay
}

/** Sends a piece every few milliseconds, as long as the condition holds. */
async function keepSending(client: Socket, condition: () => boolean): Promise<void> {
  while (condition()) {
    client.write('x'.repeat(1000))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

describe('a refused upload', () => {
  test.each([
    ['of known length', 'content-length: 9000000', true],
    ['that waits for a 100', 'expect: 100-continue\r\ncontent-length: 9000000', true],
    ['whose framing is malformed', 'content-length: 9000000\r\ncontent-length: 9', true],
    ['in chunks', 'transfer-encoding: chunked', false],
  ])(
    '%s is taken for longer than a connection lingers, and then its client reads the answer',
    async (_what, framing, closes) => {
      const relay = await refusing(401)
      const client = await open(relay.port)
      client.write(upload(framing))
      const chunk = framing.includes('chunked') ? 'fffff0\r\n' : ''
      client.write(chunk)
      const started = performance.now()
      await keepSending(client, () => performance.now() - started < 2600)
      expect(client.writable && !client.destroyed).toBe(true)
      const got = collect(client)
      await until('the answer', () => got.text !== '')
      expect(got.text).toMatch(closes ? /^HTTP\/1.1 4\d\d .*connection: close\r\n/s : /^HTTP\/1.1 401 /)
      reset(client)
      await until('nothing left', () => relay.connections.size === 0)
    },
  )

  test.each([
    ['refused while it is taken', 413, true],
    ['answered early, not refused', 200, false],
  ])('a large one that is %s: its close is announced, or there is none', async (_what, status, closes) => {
    const relay = await refusing(status, true)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(`${upload('content-length: 600000')}${'x'.repeat(1000)}`)
    await until('the answer', () => got.text.endsWith('no'))
    expect(got.text.includes('connection: close\r\n')).toBe(closes)
    client.write(`${'x'.repeat(599_000)}${upload('content-length: 0')}`)
    if (closes) await until('the end', () => got.end === 'fin')
    else await until('the next answer', () => got.text.match(/HTTP\/1.1 200/g)?.length === 2)
  })

  test("a backend's 413 comes before the end of the upload: the client may go on, and reads it", async () => {
    const large = `HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 9\r\n\r\ntoo large`
    const backend = await rawBackend((socket) => void (socket.writable && socket.end(large)))
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    client.write(upload('content-length: 900000'))
    const started = performance.now()
    await keepSending(client, () => performance.now() - started < 2600)
    const got = collect(client)
    await until('the answer', () => got.text.endsWith('too large'))
    expect(got.text).toContain('connection: close\r\n')
  })

  test("a backend's 413 is read though the backend resets the connection right after it", async () => {
    const large = `HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 9\r\n\r\ntoo large`
    // The next write of the gateway meets the reset before it has read the answer.
    const backend = await rawBackend((socket) => {
      socket.pause()
      socket.write(large, () => reset(socket))
    })
    const relay = await startRelay(backend.port)
    for (let i = 0; i < 20; i++) {
      const client = await open(relay.port)
      const got = collect(client)
      client.write(`${upload('content-length: 5000000')}`)
      const upstream = Buffer.alloc(100_000, 'x')
      while (got.text === '' && got.end === undefined && client.writable) {
        client.write(upstream)
        await new Promise((resolve) => setImmediate(resolve))
      }
      await until('the answer', () => got.text !== '')
      expect(got.text).toMatch(/^HTTP\/1.1 413 .*too large$/s)
      reset(client)
    }
    expect(relay.ends).not.toContain('UR')
  })

  test('a small one, whose client then says something else, keeps the connection', async () => {
    const backend = await rawBackend((socket, seen) => void (seen.endsWith('\r\n\r\n') && socket.write(ok)))
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(upload('content-length: 9'))
    await until('the answer', () => got.text.endsWith('ok'))
    client.write(`not heard${upload('content-length: 0')}`)
    await until('the next answer', () => got.text.match(/HTTP\/1.1 200/g)?.length === 2)
  })
})

describe('the time and the number of dropped uploads', () => {
  const made = (): { cuts: number; cut(): void } => ({
    cuts: 0,
    cut() {
      this.cuts++
    },
  })

  test('5 s since the last byte, 30 s in all', () => {
    const one = made()
    expect([0, 1, 24_999, 27_000, 30_000, 40_000].map((after) => dropMore(one, 1000 + after))).toEqual([
      5000, 5000, 5000, 3000, 0, 0,
    ])
    endDropping(one)
    expect(dropMore(one, 50_000)).toBe(5000)
    endDropping(one)
  })

  test('at most 1,024 at the same time: the oldest is cut', () => {
    const all = Array.from({ length: 1027 }, made)
    for (const one of all.slice(0, 1024)) dropMore(one)
    // One that goes on is no younger for it, and one that has ended makes room.
    dropMore(all[0]!)
    endDropping(all[1]!)
    for (const one of all.slice(1024)) dropMore(one)
    expect(all.flatMap(({ cuts }, index) => (cuts > 0 ? [index] : []))).toEqual([0, 2])
    for (const one of all) endDropping(one)
  })
})

test('a client that has said that it sends no more is not waited for: its connection is closed when it has its answer', async () => {
  const backend = await answering(ok)
  const relay = await startRelay(backend.port)
  const client = await open(relay.port)
  const got = collect(client)
  client.write('GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n')
  await until('the end', () => got.end === 'fin')
  expect(got.text).toContain('connection: close')
  // A gateway that waits for the client takes what it sends.
  await until('a refused byte', () => client.errored ?? !client.write('x'), 20_000)
})
