import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ByteStream } from '../../core/net/byte-stream.ts'
import { areRawSocketsUsable } from '../../core/net/raw-check.ts'
import { streamOfTls } from '../../core/net/tls-stream.ts'
import { type Pipe, type PipeResult, pipe } from '../../core/upstream/pipe.ts'
import { canReset, errorOf, kinds, pair, readAll, tlsSockets, until } from './sockets.ts'

interface Relay {
  /** The program at the client's end, and the one at the backend's. */
  client: Socket
  backend: Socket
  /** The gateway's ends. */
  inner: [ByteStream, ByteStream]
  pipe: Pipe
  results: PipeResult[]
}

interface Settings {
  kind?: (typeof kinds)[number]
  idle?: number
  write?: number
  before?: (client: Socket, inner: ByteStream) => unknown
}

/** A client and a backend with a pipe between them. */
async function relay(settings: Settings = {}): Promise<Relay> {
  const [clientSide, client] = await pair(settings.kind)
  const [backendSide, backend] = await pair(settings.kind)
  await settings.before?.(client, clientSide)
  const results: PipeResult[] = []
  const made = pipe(clientSide, backendSide, {
    idle: settings.idle ?? 10_000,
    write: settings.write,
    onEnd: (result) => results.push(result),
  })
  return { client, backend, inner: [clientSide, backendSide], pipe: made, results }
}

/** The one result, once all is over. */
async function resultOf({ results, inner }: Relay): Promise<PipeResult> {
  await until(() => results.length > 0)
  await new Promise((resolve) => setImmediate(resolve))
  expect(results).toHaveLength(1)
  for (const stream of inner) expect(stream.isOpen).toBe(false)
  return results[0]!
}

describe.each(kinds)('with streams of the kind %s', (kind) => {
  const testResets = test.runIf(canReset(kind))

  test('forwards the end of one direction and keeps the other: an echo that answers after the FIN', async () => {
    const flow = await relay({ kind })
    const { client, backend } = flow
    client.end('ping')
    const question = await readAll(backend)
    expect(flow.results).toHaveLength(0)
    backend.write(`${question}, `)
    backend.end('pong')
    expect(await readAll(client)).toBe('ping, pong')
    expect(await resultOf(flow)).toEqual({ bytesIn: 4, bytesOut: 10, error: undefined, outcome: undefined })
  })

  test('the backend may end first', async () => {
    const flow = await relay({ kind })
    flow.backend.end('hello')
    expect(await readAll(flow.client)).toBe('hello')
    flow.client.end('thanks')
    expect(await readAll(flow.backend)).toBe('thanks')
    expect(await resultOf(flow)).toMatchObject({ bytesIn: 6, bytesOut: 5, outcome: undefined })
  })

  test('20 MB both ways, with readers that stop for a while: all arrives, and the gateway holds little', async () => {
    const flow = await relay({ kind })
    const size = 20 * 1024 * 1024
    const block = Buffer.alloc(size, 'x')
    flow.client.end(block)
    flow.backend.end(block)
    const [near, far] = flow.inner
    const held = () => near.unsent + far.unsent
    // Nobody reads yet: the pipe stops when the buffers of the system are full.
    await until(() => near.unsent > 0 && far.unsent > 0)
    let most = 0
    const received = [0, 0]
    ;[flow.client, flow.backend].forEach((socket, i) => {
      socket.on('data', (chunk) => {
        received[i]! += chunk.length
        most = Math.max(most, held())
        socket.pause()
        setImmediate(() => socket.resume())
      })
      socket.resume()
    })
    expect(await resultOf(flow)).toMatchObject({ bytesIn: size, bytesOut: size, outcome: undefined })
    await until(() => received.every((count) => count === size))
    expect(most).toBeLessThan(1024 * 1024)
  })

  testResets('silence in both directions ends it, bytes in one keep it', async () => {
    const flow = await relay({ kind, idle: 500 })
    const seen = errorOf(flow.client)
    errorOf(flow.backend)
    // Longer than the idle time, in one direction only.
    const started = performance.now()
    while (performance.now() - started < 800) {
      flow.client.write('.')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    expect(flow.results).toHaveLength(0)
    const result = await resultOf(flow)
    expect(result).toMatchObject({ outcome: 'SI', error: { code: 'SI', status: 504 } })
    expect(await seen).toBe('ECONNRESET')
  })

  testResets.each([
    { side: 'client', outcome: 'DC' },
    { side: 'backend', outcome: 'UR' },
  ] as const)('a reset of the $side resets the other side', async ({ side, outcome }) => {
    const flow = await relay({ kind })
    const other = side === 'client' ? flow.backend : flow.client
    const seen = errorOf(other)
    flow[side].write('half an answ')
    await once(other, 'data')
    flow[side].resetAndDestroy()
    expect(await seen).toBe('ECONNRESET')
    expect(await resultOf(flow)).toMatchObject({ outcome, error: { message: expect.stringContaining('ECONNRESET') } })
  })

  testResets('close resets both, once', async () => {
    const flow = await relay({ kind })
    const seen = [errorOf(flow.client), errorOf(flow.backend)]
    flow.pipe.close()
    flow.pipe.close()
    expect(await Promise.all(seen)).toEqual(['ECONNRESET', 'ECONNRESET'])
    expect(await resultOf(flow)).toMatchObject({ outcome: 'SD' })
    flow.pipe.close()
  })

  testResets('a cut-off answer is reset and not ended, though its end had been forwarded', async () => {
    const flow = await relay({ kind, idle: 100 })
    errorOf(flow.backend)
    flow.backend.end(Buffer.alloc(20 * 1024 * 1024))
    const result = await resultOf(flow)
    expect(result.outcome).toBe('SI')
    expect(await errorOf(flow.client)).toBe('ECONNRESET')
    flow.backend.destroy()
  })

  test('closes while an end is on its way', async () => {
    const flow = await relay({ kind })
    const received = readAll(flow.backend)
    const backendSide = flow.inner[1]
    const end = backendSide.end.bind(backendSide)
    backendSide.end = () => {
      end()
      process.nextTick(() => flow.pipe.close())
    }
    flow.client.end()
    expect(await resultOf(flow)).toMatchObject({ outcome: 'SD' })
    expect(await received).toBe('')
    flow.backend.destroy()
    flow.client.destroy()
  })

  test('what arrives is what was sent, though all send simultaneously and read only when nothing more can be sent', async () => {
    const flows = await Promise.all(Array.from({ length: 4 }, () => relay({ kind })))
    const ways = flows.flatMap(({ client, backend, inner: [near, far] }) => [
      { from: client, to: backend, sink: far },
      { from: backend, to: client, sink: near },
    ])
    const block = randomBytes(1024 * 1024)
    let stalls = 0
    const carried = ways.map(async ({ from, to, sink }, way) => {
      const [sent, received] = [createHash('sha256'), createHash('sha256')]
      to.on('data', (chunk: Buffer) => {
        received.update(chunk)
        to.pause()
      })
      const reader = setInterval(() => {
        if (sink.unsent > 0) stalls++
        else if (!from.writableEnded) return
        to.resume()
      }, 0)
      const ended = once(to, 'end')
      // Bulk, small messages, and what is between.
      for (let i = 0; i < 150; i++) {
        const size = [100_000, 200, 20_000 + ((i * 7919) % 45_000)][(i + way) % 3]!
        const at = (i * 104_729) % (block.length - size)
        const chunk = block.subarray(at, at + size)
        sent.update(chunk)
        if (!from.write(chunk)) await once(from, 'drain')
      }
      from.end()
      await ended
      clearInterval(reader)
      expect(received.digest('hex')).toBe(sent.digest('hex'))
    })
    await Promise.all(carried)
    expect(stalls).toBeGreaterThan(0)
    for (const flow of flows) expect(await resultOf(flow)).toMatchObject({ outcome: undefined })
  })
})

test.each(kinds)('loses nothing that came before the pipe, not even the end: %s', async (kind) => {
  const flow = await relay({
    kind,
    async before(client, inner) {
      client.end('world')
      inner.giveBack(Buffer.from('hello '))
    },
  })
  expect(await readAll(flow.backend)).toBe('hello world')
  flow.backend.end()
  expect(await resultOf(flow)).toMatchObject({ bytesIn: 11, outcome: undefined })
})

test('a side that was reset before the pipe resets the other', async () => {
  const flow = await relay({
    async before(client, inner) {
      inner.start({ onBytes: () => true, onEnd() {}, onDrain() {}, onError() {}, onClose() {} })
      client.resetAndDestroy()
      await until(() => !inner.isOpen)
    },
  })
  const seen = errorOf(flow.backend)
  expect(flow.results).toHaveLength(0)
  expect(await seen).toBe('ECONNRESET')
  await until(() => flow.results.length > 0)
  expect(flow.results).toMatchObject([{ outcome: 'DC' }])
})

test.runIf(areRawSocketsUsable()).each([
  { end: 'with close_notify', isCut: false },
  { end: 'without', isCut: true },
])('an end over TLS $end is passed on like that', async ({ isCut }) => {
  const far: ByteStream[] = []
  const near: ByteStream[] = []
  for (let i = 0; i < 2; i++) {
    const { server, client } = await tlsSockets('TLSv1.3')
    near.push(streamOfTls(server))
    far.push(streamOfTls(client))
  }
  const [client, backend] = far as [ByteStream, ByteStream]
  onTestFinished(() => {
    for (const stream of [...far, ...near]) stream.destroy()
  })
  pipe(near[0]!, near[1]!, { idle: 10_000, onEnd() {} })
  const ignore = { onBytes: () => true, onEnd() {}, onDrain() {}, onError() {}, onClose() {} }
  client.start(ignore)
  backend.start(ignore)
  client.writeText('some of it')
  client.end(isCut)
  await until(() => backend.hasEnded)
  expect([backend.mayBeCut, backend.isOpen]).toEqual([isCut, true])
  backend.end(!isCut)
  await until(() => client.hasEnded)
  expect(client.mayBeCut).toBe(!isCut)
})

const watched = [kinds[0]!, 'tls server' as const].filter(canReset)
const sides = [
  { side: 'client', other: 'backend', outcome: 'CI' },
  { side: 'backend', other: 'client', outcome: 'SI' },
] as const

describe.each(watched)('what is written and not acknowledged: %s', (kind) => {
  test.each(sides)(
    'a $side that takes nothing is reset, and so is the other side',
    async ({ side, other, outcome }) => {
      const flow = await relay({ kind, write: 200 })
      flow[side].on('error', () => {})
      const seen = errorOf(flow[other])
      flow[other].write(Buffer.alloc(20 * 1024 * 1024))
      const error = { message: `the ${side} acknowledges nothing for 200 ms` }
      expect(await resultOf(flow)).toMatchObject({ outcome, error })
      expect(await seen).toBe('ECONNRESET')
      flow[side].destroy()
    },
  )

  test('a side whose kernel has all of it is not reset, though it reads nothing', async () => {
    const flow = await relay({ kind, write: 200 })
    flow.backend.write('later')
    flow.client.end('later, too')
    await new Promise((resolve) => setTimeout(resolve, 800))
    expect(flow.results).toHaveLength(0)
    flow.backend.end()
    expect(await Promise.all([readAll(flow.client), readAll(flow.backend)])).toEqual(['later', 'later, too'])
    expect(await resultOf(flow)).toMatchObject({ outcome: undefined })
  })
})

test('a side that takes a little now and then is not reset', async () => {
  const flow = await relay({ kind: kinds[0]!, write: 1_000 })
  const size = 12 * 1024 * 1024
  flow.client.end(Buffer.alloc(size))
  let received = 0
  flow.backend.on('data', (chunk: Buffer) => {
    received += chunk.length
    flow.backend.pause()
    setTimeout(() => flow.backend.resume(), 10)
  })
  flow.backend.resume()
  await until(() => received === size)
  expect(flow.results).toHaveLength(0)
  flow.backend.end()
  flow.client.resume()
  expect(await resultOf(flow)).toMatchObject({ outcome: undefined })
})
