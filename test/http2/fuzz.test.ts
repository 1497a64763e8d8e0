import { request as httpRequest } from 'node:http'
import { expect, test } from 'vitest'
import { echoBackend, tcpBackend } from '../helpers/backend.ts'
import { open } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'
import { preface, settings } from './frames.ts'
import { expectHealthy, type Http2Gateway, note, shareHttp2 } from './gateway.ts'
import { answering, rawBackend } from './raw.ts'
import { hostileStream, Random } from './streams.ts'

/** `HTTP2_FUZZ_RUNS=100000` for an hour; `HTTP2_FUZZ_SEED` to see one again. */
const runs = Number(process.env.HTTP2_FUZZ_RUNS ?? 400)
const firstSeed = Number(process.env.HTTP2_FUZZ_SEED ?? 1)
const timeout = 90_000 + runs * 40
/** At once. */
const lanes = 16

const share = shareHttp2()

/** Does it for every seed, some at once. */
async function forSeeds(run: (seed: number) => Promise<void>): Promise<void> {
  let next = firstSeed
  const lane = async (): Promise<void> => {
    while (next < firstSeed + runs) await run(next++)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

/** Nothing in the log tells of a fault of the gateway itself. */
function expectQuiet({ log }: Http2Gateway): void {
  const faults = log.filter(
    ({ level, msg }) => level === 'error' || level === 'fatal' || /bug|uncaught/i.test(String(msg)),
  )
  expect(faults).toEqual([])
}

test('hostile streams of clients: the process stays healthy, others are served', { timeout }, async () => {
  const backend = await echoBackend()
  const gateway = await share([backend.port], { listeners: { web: { timeouts: { idle: '1s', head: '1s' } } as never } })
  const port = gateway.port('web')
  const send = async (seed: number): Promise<void> => {
    const random = new Random(seed)
    const bytes = Buffer.concat([preface, settings(), hostileStream(random, true)])
    const cut = random.once(2) ? random.below(bytes.length) : bytes.length
    const socket = await open(port)
    const gone = new Promise((resolve) => socket.once('close', resolve).once('end', resolve))
    socket.resume()
    socket.write(bytes.subarray(0, cut))
    if (random.once(2)) await new Promise((resolve) => setImmediate(resolve))
    if (random.once(10)) socket.resetAndDestroy()
    else socket.end(bytes.subarray(cut))
    await gone
    socket.destroy()
  }
  await send(0)
  const before = note(gateway)
  await forSeeds(send)
  await expectHealthy(gateway, before, 120)
  expectQuiet(gateway)
  await until('backend connections', () => backend.sockets.size < 300)
})

test('hostile streams of backends: every request ends, others are served', { timeout }, async () => {
  const good = await rawBackend(answering())
  let seed = firstSeed
  const bad = await tcpBackend((socket) => {
    const random = new Random(seed++)
    let got = 0
    socket.on('data', (chunk: Buffer) => {
      // With the preface came SETTINGS; the request may have come with them.
      if (got === 0) socket.write(settings({ maxConcurrentStreams: 100 }))
      const isFirst = got <= preface.length + 60
      got += chunk.length
      if (isFirst && got > preface.length + 60) {
        const bytes = hostileStream(random, false)
        if (random.once(3)) socket.end(bytes)
        else socket.write(bytes)
        setTimeout(() => (random.once(3) ? socket.resetAndDestroy() : socket.end()), 20 + random.below(30))
      }
    })
  })
  const upstream = (port: number): never =>
    ({ http: '2', backends: [{ address: `127.0.0.1:${port}` }], health: false }) as never
  const gateway = await share([good.port], {
    upstreams: { app: { http: '2' } as never, bad: upstream(bad.port) },
    routes: { bad: { listener: 'web', match: { path: '/bad/*' }, upstream: 'bad' } as never },
  })
  const port = gateway.port('web')
  const ask = (): Promise<void> =>
    new Promise((resolve) => {
      const outgoing = httpRequest({ host: '127.0.0.1', port, path: '/bad/x', agent: false }, (response) => {
        response.resume()
        response.on('close', resolve)
      })
      outgoing.on('error', () => resolve())
      outgoing.end()
    })
  await ask()
  const before = note(gateway)
  await forSeeds(ask)
  await expectHealthy(gateway, before, 120)
  expectQuiet(gateway)
  const records = (): unknown[] => gateway.log.filter(({ msg, path }) => msg === 'request' && path === '/bad/x')
  await until(
    () => `${records().length} records`,
    () => records().length === runs + 1,
  )
})
