import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import type { UpstreamConfig } from '../../core/config/types.ts'
import type { UpstreamPool } from '../../core/http/upstream-exchange.ts'
import { UpstreamRegistry } from '../../core/upstream/registry.ts'
import type { Upstream } from '../../core/upstream/upstream.ts'
import { atOnce } from '../helpers/at-once.ts'
import { anyFlow, backendConfig, healthConfig, upstreamConfig } from './configs.ts'
import { listen, until } from './sockets.ts'

const a = backendConfig('127.0.0.1:1001')
const b = backendConfig('127.0.0.1:1002')

const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

/** A registry, and a short way to put one upstream "app" in force. */
function setUp() {
  const events: string[] = []
  const registry = new UpstreamRegistry({
    onHealth: (backend, healthy) => events.push(`${backend.upstream} ${healthy}`),
  })
  endings.push(() => registry.close())
  function use(config: UpstreamConfig): Upstream {
    const { upstreams, commit } = atOnce(registry.prepare({ app: config }))
    commit()
    return upstreams.get('app')!
  }
  return { registry, use, events }
}

/** Counts the probes that come by TCP. */
async function probed() {
  const sockets: Socket[] = []
  const server = createServer((socket) => sockets.push(socket.on('error', () => {}).resume()))
  const port = await listen(server)
  endings.push(() => new Promise((resolve) => server.close(resolve)))
  /** How many came until now: a connection of our own, not counted, comes after all that were begun before it. */
  async function count(): Promise<number> {
    const own = connect(port, '127.0.0.1')
    await once(own, 'connect')
    const { localPort } = own
    await until(() => sockets.some((socket) => socket.remotePort === localPort))
    own.destroy()
    sockets.splice(
      sockets.findIndex((socket) => socket.remotePort === localPort),
      1,
    )
    return sockets.length
  }
  return { address: `127.0.0.1:${port}`, sockets, count }
}

test('keeps a backend of the same upstream, protocol and address, and takes over its weight and state', () => {
  const { use } = setUp()
  const [first] = use(upstreamConfig([a, b])).backends
  first!.acquire()
  const after = use(upstreamConfig([b, { ...a, weight: 5, state: 'drain' }]))
  expect(after.backends[1]).toBe(first)
  expect(first).toMatchObject({ active: 1, weight: 5, state: 'drain' })
  expect(after.candidates([])).toEqual([after.backends[0]])
  expect(use(upstreamConfig([a], { protocol: 'tcp' })).backends[0]).not.toBe(first)
})

test('backends of equal address in different upstreams are different', () => {
  const { registry } = setUp()
  const { upstreams } = atOnce(registry.prepare({ app: upstreamConfig([a]), other: upstreamConfig([a]) }))
  expect(upstreams.get('app')!.backends[0]).not.toBe(upstreams.get('other')!.backends[0])
})

function poolThat(close: () => void): UpstreamPool {
  return { close, send: () => expect.unreachable() }
}

test('nothing changes before commit, nor without it', async () => {
  const { registry, use } = setUp()
  const { address, count } = await probed()
  const upstream = use(upstreamConfig([a]))
  let closed = 0
  const pool = poolThat(() => closed++)
  upstream.backends[0]!.pool = pool
  atOnce(registry.prepare({ app: upstreamConfig([backendConfig(address)], { health: healthConfig() }) }))
  atOnce(registry.prepare({ app: upstreamConfig([{ ...a, weight: 9, state: 'down' }]) }))
  expect(upstream.backends[0]).toMatchObject({ weight: 1, state: 'up', pool })
  expect(await count()).toBe(0)
  expect(closed).toBe(0)
})

test('refuses to commit what was prepared against a state that is gone', () => {
  const { registry, use } = setUp()
  const { commit } = atOnce(registry.prepare({ app: upstreamConfig([a]) }))
  use(upstreamConfig([b]))
  expect(commit).toThrow('out of date')
})

test('retires a backend that is gone: its probes stop, its pool closes when its last flow has ended', async () => {
  const { use } = setUp()
  const { address, sockets } = await probed()
  const old = use(upstreamConfig([backendConfig(address)], { health: healthConfig() }))
  const backend = old.backends[0]!
  let closed = false
  backend.pool = poolThat(() => {
    closed = true
  })
  backend.acquire()
  await until(() => sockets.length >= 2)

  const other = await probed()
  use(upstreamConfig([backendConfig(other.address)], { health: healthConfig() }))
  await until(() => other.sockets.length >= 2)
  const before = sockets.length
  await until(() => other.sockets.length >= 8)
  expect(sockets.length).toBe(before)
  // The old snapshot still works for the flows that hold it.
  expect(old.pick(old.candidates([]), anyFlow)).toBe(backend)
  expect(closed).toBe(false)
  backend.release()
  expect(closed).toBe(true)
})

test('health outlives a reload; its check goes on if unchanged', async () => {
  const { use, events } = setUp()
  const health = healthConfig({ interval: 60_000, fall: 1 })
  const [backend] = use(upstreamConfig([a], { health })).backends
  await until(() => !backend!.healthy)
  const { address, sockets, count } = await probed()
  const both = [a, backendConfig(address)]
  use(upstreamConfig(both, { health }))
  await until(() => sockets.length === 1)
  use(upstreamConfig(both, { health: { ...health }, balance: 'least-connections' }))
  // A new check probes immediately: a second probe would show that there is one.
  expect(await count()).toBe(1)
  expect([backend!.healthy, events]).toEqual([false, ['app false']])
  use(upstreamConfig(both, { health: { ...health, rise: 1 } }))
  await until(() => sockets.length === 2)
})

test('without its check a backend counts as healthy again', async () => {
  const { use } = setUp()
  const [backend] = use(upstreamConfig([a], { health: healthConfig({ fall: 1 }) })).backends
  await until(() => !backend!.healthy)
  const after = use(upstreamConfig([a]))
  expect(after.candidates([])).toEqual([backend])
})

test('the balance keeps its state over a reload, unless its kind changes', () => {
  const { use } = setUp()
  const ports = (upstream: Upstream, count: number) =>
    Array.from({ length: count }, () => upstream.pick(upstream.candidates([]), anyFlow)!.port)
  expect(ports(use(upstreamConfig([a, b])), 1)).toEqual([1001])
  expect(ports(use(upstreamConfig([a, b])), 2)).toEqual([1002, 1001])
  expect(ports(use(upstreamConfig([a, b], { balance: 'least-connections' })), 1)).toEqual([1001])
})

test('applies the reports of another process while health checks are enabled and run elsewhere', () => {
  const { registry, use, events } = setUp()
  registry.probe(false)
  const health = healthConfig()
  // Heard before the backend is there: a worker is told of the others' findings before it has a configuration.
  registry.hear('app', a.address, { healthy: false, weight: 7 })
  const [first, second] = use(upstreamConfig([{ ...a, weight: 3 }, b], { health })).backends
  expect(first).toMatchObject({ healthy: false, weight: 7 })
  expect(second).toMatchObject({ healthy: true, weight: 1 })
  use(upstreamConfig([{ ...a, weight: 4 }, b], { health }))
  expect(first).toMatchObject({ healthy: false, weight: 7 })
  registry.hear('app', a.address, { healthy: true })
  expect(first).toMatchObject({ healthy: true, weight: 4 })
  registry.hear('app', a.address, { healthy: false, weight: 7 })
  use(upstreamConfig([{ ...a, weight: 4 }, b]))
  expect(first).toMatchObject({ healthy: true, weight: 4 })
  expect(events).toEqual([])
})

test('checks that begin together probe one after the other', () => {
  vi.useFakeTimers()
  endings.push(() => vi.useRealTimers())
  const asked: string[] = []
  const registry = new UpstreamRegistry({
    examine: (backend) => {
      asked.push(backend.upstream)
      return { cancel: () => {} }
    },
  })
  endings.push(() => registry.close())
  const health = healthConfig({ interval: 5_000 })
  const all = Array.from({ length: 1_000 }, (_, i): [string, UpstreamConfig] => [
    `u${i}`,
    upstreamConfig([a], { health }),
  ])
  atOnce(registry.prepare(Object.fromEntries(all))).commit()
  let time = 0
  for (const until of [1, 10, 100, 998]) {
    vi.advanceTimersByTime(until - time)
    time = until
    // No timer is shorter than a millisecond: the first two come together.
    expect(asked.length).toBe(until + 1)
  }
  vi.advanceTimersByTime(1)
  expect(new Set(asked).size).toBe(1_000)
})

test('what is the same object in the next configuration is not built again', () => {
  const { registry } = setUp()
  const config = { app: upstreamConfig([a]), other: upstreamConfig([b]) }
  const first = atOnce(registry.prepare(config))
  first.commit()
  const second = atOnce(registry.prepare({ ...config, other: upstreamConfig([b]) }))
  second.commit()
  expect(second.upstreams.get('app')).toBe(first.upstreams.get('app'))
  expect(second.upstreams.get('other')).not.toBe(first.upstreams.get('other'))
  expect(second.upstreams.get('other')!.backends).toEqual(first.upstreams.get('other')!.backends)
})

test('close ends probes and pools', async () => {
  const { registry, use } = setUp()
  const { address, sockets } = await probed()
  const upstream = use(upstreamConfig([backendConfig(address)], { health: healthConfig() }))
  let closed = 0
  upstream.backends[0]!.pool = poolThat(() => closed++)
  await until(() => sockets.length >= 2)
  const { commit } = atOnce(registry.prepare({}))
  registry.close()
  expect(closed).toBe(1)
  expect(commit).toThrow('out of date')
})

test('what was found out about a backend with other settings of TLS is forgotten by all processes', async () => {
  const health = healthConfig({ interval: 60_000 })
  const other = new UpstreamRegistry()
  other.probe(false)
  const probing = new UpstreamRegistry({
    onState: ({ upstream, address, healthy }) => other.hear(upstream, address, { healthy }),
  })
  endings.push(() => other.close())
  endings.push(() => probing.close())
  const healthyIn = ([registry, changes]: readonly [UpstreamRegistry, Partial<UpstreamConfig>]): boolean => {
    const { upstreams, commit } = atOnce(registry.prepare({ app: upstreamConfig([a], { health, ...changes }) }))
    commit()
    return upstreams.get('app')!.backends[0]!.healthy
  }
  const both = (changes: Partial<UpstreamConfig>): boolean[] =>
    (
      [
        [probing, changes],
        [other, changes],
      ] as const
    ).map(healthyIn)
  expect(both({})).toEqual([true, true])
  // As the probing process has reported it.
  other.hear('app', a.address, { healthy: false })
  expect(both({ tls: { minVersion: '1.2', verify: true } })).toEqual([true, true])
})
