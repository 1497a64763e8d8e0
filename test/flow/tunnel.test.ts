import { describe, expect, it } from 'vitest'
import { testInClear } from '../helpers/client.ts'
import { startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { answering, ok, rawBackend } from '../http1/raw-backend.ts'
import { ask, asked, configOf, echo, echoing, files, ordinary, startWith, tunnelTo } from './tunnels.ts'
import { accessRecord, exchange, plain } from './wire.ts'

describe('the end of a tunnel', () => {
  it('comes after its own silence; the time of the route ends with the 101', async () => {
    const backend = await echoing()
    const upstreams = { app: { timeouts: { idle: '50ms', response: '50ms', tunnel: '1s' } } }
    const gateway = await startWith(backend.port, {}, { routes: { all: { timeout: '300ms' } }, upstreams })
    const start = performance.now()
    const tunnel = await tunnelTo(gateway)
    await until('more than the route allows', () => performance.now() - start > 600)
    await echo(tunnel, 'hello')
    await until('the end', () => tunnel.got.end === 'reset')
    expect(await accessRecord(gateway)).toMatchObject({ status: 101, outcome: 'SI', bytesIn: 5, bytesOut: 5 })
    await until('the backend to be left', () => backend.sockets.size === 0)
  })

  it('comes with the time of the route when there is no 101', async () => {
    const backend = await rawBackend(() => {})
    const gateway = await startWith(backend.port, {}, { routes: { all: { timeout: '100ms' } } })
    const { text } = await exchange(gateway.port('web'), ask, '}')
    expect(text).toMatch(/^HTTP\/1\.1 504 /)
    expect(plain(backend.seen.join())).toBe(asked)
  })

  it('does not come with a reload, whatever becomes of its route, its upstream and its policy', async () => {
    const backend = await echoing()
    const other = await answering(ok)
    const gateway = await startWith(backend.port)
    const tunnel = await tunnelTo(gateway)
    const before = gateway.gateway.snapshot
    await gateway.reload({
      listeners: { web: { address: '127.0.0.1', port: 0 } },
      routes: { new: { listener: 'web', upstream: 'new' } },
      upstreams: { new: { backends: [{ address: `127.0.0.1:${other.port}` }], health: false } },
      drain: '50ms',
    })
    expect(gateway.gateway.snapshot).not.toBe(before)
    await exchange(gateway.port('web'), ordinary, 'ok')
    const start = performance.now()
    await until('more than a drain', () => performance.now() - start > 200)
    await echo(tunnel, 'hello')
    tunnel.client.end()
    const record = await gateway.record(({ status }) => status === 101)
    expect(record).toMatchObject({ outcome: '', route: 'all', upstream: 'app', bytesIn: 5 })
  })

  testInClear(
    'does not come with twenty reloads, for none of 1,000 tunnels',
    async () => {
      const backend = await echoing()
      const gateway = await startWith(backend.port)
      const tunnels = await Promise.all(Array.from({ length: 1000 }, () => tunnelTo(gateway)))
      for (let i = 0; i < 20; i++) {
        await gateway.reload(configOf(backend.port, {}, { routes: { all: { timeout: `${i + 1}m` } } }))
      }
      await Promise.all(tunnels.map((tunnel) => echo(tunnel, 'hello')))
      expect(tunnels.filter(({ got }) => got.end !== undefined)).toEqual([])
      expect(gateway.log.filter(({ msg }) => msg === 'request')).toEqual([])
      for (const { client } of tunnels) client.end()
      await until('nothing left', () => backend.sockets.size === 0 && gateway.gateway.active === 0, 30_000)
      expect(new Set(gateway.log.filter(({ msg }) => msg === 'request').map(({ outcome }) => outcome))).toEqual(
        new Set(['']),
      )
    },
    60_000,
  )

  it('comes at the end of a drain', async () => {
    const backend = await echoing()
    const gateway = await startInProcess({ ...(configOf(backend.port, {}) as object), drain: '300ms' }, files)
    const tunnel = await tunnelTo(gateway)
    let over = false
    const drained = gateway.drain().then(() => (over = true))
    await echo(tunnel, 'hello')
    expect(over).toBe(false)
    await drained
    await until('the end', () => tunnel.got.end === 'reset' && backend.sockets.size === 0)
    const record = await accessRecord(gateway)
    expect(record).toMatchObject({ status: 101, outcome: 'SD', bytesIn: 5, bytesOut: 5 })
    expect(record.phases).toHaveProperty('body')
  })

  it('comes with the close of the gateway, whatever the policies would still have to say', async () => {
    const backend = await echoing()
    const told = `
      import { definePlugin } from 'postern/sdk'
      export default definePlugin({
        name: 'bodies',
        options: { type: 'object', properties: {} },
        writes: ['response.header:x-status'],
        onResponse: ({ response }) => response.setHeader('x-status', '101'),
        onClose() {},
      })`
    const gateway = await startInProcess(configOf(backend.port, {}), { 'plugins/bodies/index.ts': told })
    const tunnel = await tunnelTo(gateway)
    gateway.gateway.close()
    await until('the end', () => tunnel.got.end === 'reset' && backend.sockets.size === 0)
    expect(await accessRecord(gateway)).toMatchObject({ status: 101, outcome: 'SD' })
    expect(gateway.gateway.active).toBe(0)
  })

  it('a drain is over when the last tunnel is', async () => {
    const backend = await echoing()
    const gateway = await startWith(backend.port)
    const { client } = await tunnelTo(gateway)
    const drained = gateway.drain()
    client.end()
    await drained
    expect(await accessRecord(gateway)).toMatchObject({ status: 101, outcome: '' })
  })
})
