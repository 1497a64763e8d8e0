import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { checkConfig } from '../core/check/check.ts'
import type { CheckedConfig } from '../core/config/checked.ts'
import { Gateway } from '../core/gateway.ts'
import { createGrantHost } from '../core/grants/grant-host.ts'
import { changesBetween } from '../core/process/config-changes.ts'
import { type PackedConfig, packConfig } from '../core/process/packed-config.ts'
import { WorkerConfig } from '../core/process/worker-config.ts'
import { Log } from '../core/telemetry/log.ts'
import { deadPort, echoBackend } from './helpers/backend.ts'
import { send } from './helpers/client.ts'
import { gatewayFolder, httpConfig, type Json } from './helpers/gateway.ts'

/** A gateway that gets its configurations as a worker does, but in this process. */
function setUp(files: Record<string, string> = {}) {
  const folder = gatewayFolder({}, files)
  const gateway = new Gateway({ log: new Log({ write: () => {} }), grants: createGrantHost() })
  onTestFinished(() => gateway.close())
  const config = new WorkerConfig(gateway)
  let before: PackedConfig | undefined
  let generation = 0

  async function check(json: Json): Promise<CheckedConfig> {
    writeFileSync(join(folder, 'gateway.json'), JSON.stringify(json))
    const checked = await checkConfig(join(folder, 'gateway.json'))
    if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
    return checked
  }
  /** Everything but the commit; gives what went wrong, or the commit. */
  async function prepare(json: Json): Promise<string | (() => void)> {
    const packed = packConfig(await check(json))
    const own = ++generation
    const problem = await config.prepare(own, changesBetween(before, packed), new Map())
    return (
      problem ??
      (() => {
        config.commit(own)
        before = packed
      })
    )
  }
  async function use(json: Json) {
    const commit = await prepare(json)
    if (typeof commit === 'string') throw new Error(commit)
    commit()
    return gateway.snapshot
  }
  return { gateway, prepare, use, get: (path: string) => send(gateway.port('web')!, path) }
}

const route = (path: string, more: { [field: string]: Json } = {}): Json => ({
  listener: 'web',
  match: { path },
  upstream: 'app',
  ...more,
})
const upstream = (...ports: number[]): Json => ({
  backends: ports.map((port) => ({ address: `127.0.0.1:${port}` })),
  health: false,
})

test('a reload keeps what it was told nothing new about', async () => {
  const { use, get } = setUp()
  const { port } = await echoBackend()
  const config = (b: Json, other: Json): Json =>
    httpConfig([port], { routes: { all: route('/a'), b }, upstreams: { other } })
  const b = route('/b', { upstream: 'other' })
  const first = await use(config(b, upstream(port)))
  const second = await use({ ...(config(b, upstream(port)) as object), drain: '9s' } as Json)
  expect(second).not.toBe(first)
  expect([second.config.drain, second.routes, second.upstreams]).toEqual([
    { delay: 0, timeout: 9_000 },
    first.routes,
    first.upstreams,
  ])
  expect(second.routes).toBe(first.routes)

  const third = await use(config(route('/c', { upstream: 'other' }), upstream(port)))
  expect(third.routes.byName.get('all')).toBe(first.routes.byName.get('all'))
  expect(third.routes.byName.get('b')).not.toBe(first.routes.byName.get('b'))
  expect(third.upstreams.get('other')).toBe(first.upstreams.get('other'))
  expect(await Promise.all(['/a', '/b', '/c'].map(async (path) => (await get(path)).status))).toEqual([200, 404, 200])

  // Its route leads to another object, and is made anew.
  const changed = { ...(upstream(port) as object), balance: 'least-connections' } as Json
  const fourth = await use(config(route('/c', { upstream: 'other' }), changed))
  expect(fourth.routes.byName.get('all')).toBe(first.routes.byName.get('all'))
  expect(fourth.routes.byName.get('b')!.upstream).toBe(fourth.upstreams.get('other'))
  expect(fourth.upstreams.get('other')).not.toBe(third.upstreams.get('other'))
})

const marking = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'mark',
  description: 'Names a policy in the request.',
  options: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'], additionalProperties: false },
  writes: ['header:x-mark'],
  onRequest({ request, options }) {
    request.setHeader('x-mark', options.text)
  },
})`

test('a policy that changed changes every route that has it, also through listener and upstream', async () => {
  const { use, get } = setUp({ 'plugins/mark/index.js': marking })
  const { port } = await echoBackend()
  const config = (text: string, onFailure: string): Json =>
    httpConfig([port], {
      listeners: { web: { policies: ['l'] } },
      routes: { all: route('/a'), b: route('/b', { policies: ['r'] }) },
      upstreams: { app: { policies: ['u'] } },
      policies: Object.fromEntries(
        ['l', 'r', 'u'].map((name) => [name, { plugin: 'mark', options: { text: text + name }, onFailure }]),
      ),
    })
  const mark = async (path: string): Promise<unknown> =>
    (await get(path)).json<{ headers: Record<string, string> }>().headers['x-mark']
  const first = await use(config('1', 'reject'))
  expect([await mark('/a'), await mark('/b')]).toEqual(['1u', '1u'])
  const second = await use(config('2', 'reject'))
  expect([await mark('/a'), await mark('/b')]).toEqual(['2u', '2u'])
  expect(second.sandbox).not.toBe(first.sandbox)
  const third = await use(config('2', 'continue'))
  expect(third.sandbox).toBe(second.sandbox)
  expect(third.routes.byName.get('b')).not.toBe(second.routes.byName.get('b'))
  const fourth = await use(config('2', 'continue'))
  expect(fourth.policies).toBe(third.policies)
  expect([await mark('/a'), await mark('/b')]).toEqual(['2u', '2u'])
})

test('routes with the same policies share a chain', async () => {
  const { use } = setUp({ 'plugins/mark/index.js': marking })
  const { routes } = await use(
    httpConfig([1], {
      routes: { all: route('/a', { policies: ['p'] }), b: route('/b', { policies: ['p'] }), c: route('/c') },
      policies: { p: { plugin: 'mark', options: { text: '' } } },
    }),
  )
  const base = (name: string) => routes.byName.get(name)!.base
  expect(base('b')).toBe(base('all'))
  expect(base('c')).not.toBe(base('all'))
})

/** Enough to take longer than a slice anywhere. */
const many = (port: number): Json =>
  httpConfig([port], {
    routes: Object.fromEntries(
      Array.from({ length: 5_000 }, (_, i) => [`r${i}`, route(`/r/${i}`, { upstream: `u${i % 500}` })]),
    ),
    upstreams: Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`u${i}`, upstream(port, port + 1)])),
  })

/** Turns of the event loop until the promise is settled. */
async function turnsOf(work: Promise<unknown>): Promise<number> {
  let turns = 0
  let over = false
  const count = (): void => {
    turns++
    if (!over) setImmediate(count)
  }
  setImmediate(count)
  await work
  over = true
  return turns
}

test('a large configuration is compiled in many turns of the event loop, and one that is known in few', async () => {
  const { use, get } = setUp()
  const { port } = await echoBackend()
  await use(httpConfig([port]))
  const checked = packConfig(await compiledOnce(many(port)))
  const gateway = setUp()
  const config = new WorkerConfig(gateway.gateway)
  expect(await turnsOf(config.prepare(1, changesBetween(undefined, checked), new Map()))).toBeGreaterThan(10)
  config.commit(1)
  expect(gateway.gateway.snapshot.routes.byName.size).toBe(5_001)
  expect(await turnsOf(config.prepare(2, changesBetween(checked, checked), new Map()))).toBeLessThan(5)
  expect((await get('/')).status).toBe(200)
  expect((await gateway.get('/r/4711')).status).toBe(200)

  async function compiledOnce(json: Json): Promise<CheckedConfig> {
    const folder = gatewayFolder(json)
    const result = await checkConfig(join(folder, 'gateway.json'))
    if (!result.ok) throw new Error(JSON.stringify(result.problems))
    return result
  }
})

test('requests are answered, under the old configuration, while a new one is prepared', async () => {
  const { use, prepare, get } = setUp()
  const { port } = await echoBackend()
  await use(httpConfig([port], { routes: { all: route('/old') } }))
  let over = false
  const preparing = prepare(many(port)).finally(() => (over = true))
  let answered = 0
  while (!over) {
    expect((await get('/old')).status).toBe(200)
    answered++
  }
  expect(answered).toBeGreaterThan(0)
  const commit = await preparing
  expect((await get('/r/1')).status).toBe(404)
  if (typeof commit === 'string') throw new Error(commit)
  commit()
  expect((await get('/r/1')).status).toBe(200)
})

test('a preparation that fails leaves everything as it was, also what the next one is compared with', async () => {
  const { use, prepare, gateway, get } = setUp()
  const { port } = await echoBackend()
  const occupied = await echoBackend()
  const first = await use(httpConfig([port], { routes: { all: route('/a') } }))
  const bad = httpConfig([port], {
    listeners: { second: { address: '127.0.0.1', port: occupied.port } },
    routes: { all: route('/b') },
  })
  expect(await prepare(bad)).toMatch(/listener "second" cannot listen/)
  expect(gateway.snapshot).toBe(first)
  const next = await use(httpConfig([port], { routes: { all: route('/a'), c: route('/c') } }))
  expect(next.routes.byName.get('all')).toBe(first.routes.byName.get('all'))
  expect((await get('/c')).status).toBe(200)
})

test.each(['drain', 'close'] as const)('%s while a configuration is prepared: it never comes', async (ending) => {
  const { use, prepare, gateway } = setUp()
  const { port } = await echoBackend()
  await use(httpConfig([port]))
  const free = await deadPort()
  const config = many(port) as { listeners: object }
  const preparing = prepare({
    ...config,
    listeners: { ...config.listeners, other: { address: '127.0.0.1', port: free } },
  } as Json)
  const began = gateway[ending]()
  expect(await preparing).toMatch(/shutting down/)
  await began
  await expect(send(free, '/')).rejects.toThrow(/ECONNREFUSED/)
})

test.each(['drain', 'close'] as const)('%s before the commit: nothing new is opened', async (ending) => {
  const { use, prepare, gateway } = setUp()
  const { port } = await echoBackend()
  const before = await use(httpConfig([port]))
  const free = await deadPort()
  const commit = await prepare(httpConfig([port], { listeners: { other: { address: '127.0.0.1', port: free } } }))
  if (typeof commit === 'string') throw new Error(commit)
  await gateway[ending]()
  commit()
  expect(gateway.snapshot).toBe(before)
  expect(gateway.port('other')).toBeUndefined()
  await expect(send(free, '/')).rejects.toThrow(/ECONNREFUSED/)
})
