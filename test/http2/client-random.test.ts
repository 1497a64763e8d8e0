import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { PosternError } from '../../core/errors.ts'
import { CONSUMED } from '../../core/http/exchange.ts'
import { Fields } from '../../core/http/fields.ts'
import type { UpstreamExchange } from '../../core/http/upstream-exchange.ts'
import type { Http2Pool } from '../../core/http2/connection-pool.ts'
import { until } from '../helpers/until.ts'
import { poolOf } from './asking.ts'
import { data, frame, goaway, headers, ping, rst, settings, windowUpdate } from './frames.ts'
import { type RawPeer, rawBackend } from './raw.ts'

const ok = [':status', '200']

/** What a backend may do on a stream, by number: most of it is right. */
const deeds: readonly ((peer: RawPeer, id: number) => unknown)[] = [
  (peer, id) => peer.send(headers(id, ok), data(id, 'whole', { end: true })),
  (peer, id) => peer.send(headers(id, [...ok, 'content-length', '5'])),
  (peer, id) => peer.send(headers(id, ok, { end: true })),
  (peer, id) => peer.send(headers(id, [':status', '103', 'link', '</a>'])),
  (peer, id) => peer.send(headers(id, [':status', '100'])),
  (peer, id) => peer.send(data(id, 'piece')),
  (peer, id) => peer.send(data(id, 'x'.repeat(10_000), { padding: 9 })),
  (peer, id) => peer.send(data(id, '', { end: true })),
  (peer, id) => peer.send(headers(id, ['x-sum', '1'], { end: true })),
  (peer, id) => peer.send(rst(id, 0)),
  (peer, id) => peer.send(rst(id, 7)),
  (peer, id) => peer.send(rst(id, 8)),
  (peer, id) => peer.send(windowUpdate(id, 40_000), windowUpdate(0, 40_000)),
  (peer) => peer.send(settings({ maxConcurrentStreams: 2 })),
  (peer) => peer.send(settings({ initialWindowSize: 100, maxConcurrentStreams: 50 })),
  (peer) => peer.send(ping()),
  (peer, id) => peer.send(goaway(Math.max(0, id - 2))),
  (peer) => peer.send(goaway(0x7fffffff)),
  (peer, id) => peer.send(headers(id, ['Bad', 'name'], { end: true })),
  (peer, id) => peer.send(headers(id + 100, ok, { end: true })),
  (peer) => peer.send(frame('SETTINGS', 0, 0, 'odd')),
  (peer) => peer.send(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')),
  (peer) => peer.socket.end(),
  (peer) => peer.socket.resetAndDestroy(),
]

/** Sends a request whose owner does odd things, and says whether the contract was kept. */
class Watched {
  over = false
  exchange: UpstreamExchange | undefined
  wrong: string | undefined
  #headed = false
  #connected = false
  readonly #acts: number[]

  constructor(pool: Http2Pool, hasBody: boolean, acts: number[]) {
    this.#acts = [...acts]
    let wanted = 0
    const request = { method: 'POST', target: '/', fields: new Fields(['host', 'a'], true), hasBody }
    this.exchange = pool.send(request, 2000, {
      onConnected: () => {
        this.#tell('onConnected', !this.#connected && !this.#headed)
        this.#connected = true
        this.#act()
      },
      onBodyWanted: () => {
        this.#tell('onBodyWanted', hasBody && this.#connected)
        this.exchange!.write(Buffer.alloc(50_000, 'x'))
        if (++wanted > 2) this.exchange!.end()
        this.#act()
      },
      onInterim: () => {
        this.#tell('onInterim', !this.#headed)
        this.#act()
      },
      onHead: () => {
        this.#tell('onHead', !this.#headed)
        this.#headed = true
        this.#act()
      },
      onData: () => {
        this.#tell('onData', this.#headed)
        this.#act()
        return CONSUMED
      },
      onEnd: () => {
        this.#tell('onEnd', this.#headed)
        this.over = true
      },
      onWhole: () => {
        this.#tell('onWhole', !this.#headed)
        this.over = true
      },
      onFail: ({ code }: PosternError, fate) => {
        this.#tell('onFail', fate === undefined || !this.#headed)
        if (!['UC', 'UR', 'UPE', 'GE', 'UF'].includes(code)) this.wrong ??= code
        this.over = true
      },
    })
  }

  #isPaused = false

  #tell(call: string, isRight: boolean): void {
    const isResponse = ['onInterim', 'onHead', 'onData', 'onEnd', 'onWhole'].includes(call)
    if (this.over) this.wrong ??= `${call} after the end`
    else if (!isRight) this.wrong ??= `${call} out of turn`
    else if (isResponse && this.#isPaused) this.wrong ??= `${call} during a pause`
  }

  #act(): void {
    const exchange = this.exchange!
    switch (this.#acts.shift()) {
      case 0:
        exchange.cancel()
        this.over = true
        return
      case 1:
        throw new Error('a fault of the owner')
      case 2:
        this.#isPaused = true
        exchange.pause()
        setTimeout(() => {
          this.#isPaused = false
          exchange.resume()
        }, 3)
        return
      case 3:
        this.#isPaused = false
        exchange.pause()
        exchange.resume()
        return
      default:
        return
    }
  }
}

test('whatever a backend and an owner do, each request ends once, in the order of the contract', {
  timeout: 120_000,
}, async () => {
  const plan = fc.array(fc.nat(deeds.length - 1), { minLength: 1, maxLength: 6 })
  const owner = fc.record({ hasBody: fc.boolean(), acts: fc.array(fc.nat(12), { maxLength: 6 }) })
  await fc.assert(
    fc.asyncProperty(
      fc.array(plan, { minLength: 1, maxLength: 8 }),
      fc.array(owner, { minLength: 1, maxLength: 8 }),
      async (plans, owners) => {
        let turn = 0
        const backend = await rawBackend(
          (peer, { name, stream }) => {
            if (name !== 'HEADERS') return
            const own = plans[turn++ % plans.length]!
            for (const deed of own) deeds[deed]!(peer, stream)
          },
          { credit: false },
        )
        const pool = poolOf(backend.port)
        const all = owners.map(({ hasBody, acts }) => new Watched(pool, hasBody, acts))
        const isOver = (): boolean => {
          // What is left hanging ends with its connection.
          for (const { socket } of backend.peers) if (turn > 0 && Math.random() < 0.2) socket.destroy()
          return all.every(({ over }) => over)
        }
        await until('the end of all', isOver)
        await new Promise((resolve) => setTimeout(resolve, 6))
        expect(all.map(({ wrong }) => wrong)).toEqual(all.map(() => undefined))
        pool.close()
        for (const { socket } of backend.peers) socket.destroy()
      },
    ),
    { numRuns: 150 },
  )
})
