import { describe, expect, test } from 'vitest'
import { deadPort, echoBackend, httpBackend } from '../helpers/backend.ts'
import { open, raw, send } from '../helpers/client.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

const guard = `
import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'guard',
  reads: ['path'],
  onRequest({ request }) {
    if (request.path === '/denied') return reply(403)
    if (request.path === '/limited') return reply(429)
    if (request.path === '/broken') throw new Error('no idea')
  },
})`

describe('the level of an access record', () => {
  test('is warn for faults of backends, of the gateway and of plugins', async () => {
    const backend = await echoBackend()
    const config = httpConfig([backend.port], {
      routes: {
        all: { policies: ['guard'] },
        dead: { listener: 'web', match: { path: '/dead' }, upstream: 'dead' },
      },
      upstreams: { dead: { backends: [{ address: `127.0.0.1:${await deadPort()}` }], health: false } },
      policies: { guard: { plugin: 'guard' } },
    })
    const { log, port } = await startInProcess(config, { 'plugins/guard/index.ts': guard })
    for (const path of ['/', '/denied', '/limited', '/broken', '/dead']) await send(port('web'), path)
    await raw(port('web'), 'no HTTP\r\n\r\n')
    const records = await until('six records', () => {
      const found = log.filter(({ msg }) => msg === 'request')
      return found.length === 6 ? found : undefined
    })
    expect(records.map(({ path, level, outcome }) => [path, level, outcome])).toEqual([
      ['/', 'info', ''],
      ['/denied', 'info', 'PD:guard'],
      ['/limited', 'info', 'RL'],
      ['/broken', 'warn', 'PE:guard'],
      ['/dead', 'warn', 'UF'],
      [expect.anything(), 'info', 'DPE'],
    ])
  })

  test('is info for a client that leaves; with the level warn only faults are written', async () => {
    let asked = 0
    const backend = await httpBackend((request, response) => {
      asked++
      if (request.url === '/cut') response.socket?.destroy()
    })
    const config = { ...(httpConfig([backend.port]) as object), log: { level: 'warn' } }
    const { log, port, gateway } = await startInProcess(config as never)
    const client = await open(port('web'))
    client.write('GET / HTTP/1.1\r\nhost: h\r\n\r\n')
    await until('the request', () => asked === 1)
    client.destroy()
    await until('its end', () => gateway.active === 0)
    expect((await send(port('web'), '/cut', { method: 'POST' })).status).toBe(502)
    await until('a record', () => log.length > 0)
    expect(log).toMatchObject([{ level: 'warn', path: '/cut', outcome: expect.stringMatching(/^U[CR]$/) }])
  })
})
