import { expect, test } from 'vitest'
import { MemoryPool } from './backend.ts'
import { memoryGateway } from './gateway.ts'

const fields = [
  ...['host', 'app.test', 'x-forwarded-for', '6.6.6.6', 'x_forwarded_for', '6.6.6.6', 'x-forwarded-proto', 'https'],
  ...['forwarded', 'for=6.6.6.6', 'x-real-ip', '6.6.6.6', 'x-request-id', 'mine', 'te', 'gzip', 'x-b', '1'],
]

/** Says in a header of the answer everything that it sees of the request. */
const mirror = {
  'plugins/mirror/index.ts': `import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'mirror',
  reads: ['header:*', 'client.ip', 'request.id'],
  onRequest({ request, client }) {
    return reply(200, JSON.stringify([client.ip, [...request.headers()].map(([name, value]) => name + ': ' + value)]))
  },
})`,
}
const attached = { route: { policies: ['mirror'] }, policies: { mirror: { plugin: 'mirror' } } }

test('policies see nothing of what an untrusted client says about its way', async () => {
  const { send } = await memoryGateway([new MemoryPool({})], attached, mirror)
  const exchange = await send({ fields })
  const [ip, seen] = JSON.parse(exchange.body) as [string, string[]]
  expect([ip, seen.filter((line) => !line.startsWith('x-request-id: '))]).toEqual([
    '192.0.2.1',
    ['host: app.test', 'x-b: 1'],
  ])
  const own = exchange.response.get('x-request-id')
  expect(seen.filter((line) => line.startsWith('x-request-id: '))).toEqual([`x-request-id: ${own}`])
  expect(own).not.toBe('mine')
})

test('of a trusted peer they see what was believed', async () => {
  const trusting = { ...attached, listener: { trustedProxies: ['192.0.2.0/24'] } }
  const { send } = await memoryGateway([new MemoryPool({})], trusting, mirror)
  const exchange = await send({ fields })
  const seen = [
    'host: app.test',
    'x-b: 1',
    'x-forwarded-for: 6.6.6.6',
    'x-forwarded-proto: https',
    'forwarded: for=6.6.6.6',
    'x-request-id: mine',
  ]
  expect(JSON.parse(exchange.body)).toEqual(['6.6.6.6', seen])
})

test('an untrusted client steers no route and no policy by X-Forwarded-For', async () => {
  const routes = {
    office: { listener: 'web', match: { headers: { 'x-forwarded-for': '6.6.6.6' } }, reply: { status: 418 } },
  }
  const rules = [{ header: 'x-forwarded-for', equals: '6.6.6.6', upstream: 'other' }]
  const beta = { plugin: 'header-route', options: { rules } }
  const extra = { routes, route: { policies: ['beta'] }, policies: { beta } }
  const pool = new MemoryPool({ body: ['app'] })
  const other = { upstreams: { other: { backends: [{ address: '192.0.2.99:80' }], health: false } } }
  const { send } = await memoryGateway([pool], { ...extra, ...other })
  expect(await send({ fields })).toMatchObject({ status: 200, body: 'app' })
  const trusting = { ...extra, ...other, listener: { trustedProxies: ['192.0.2.1'] } }
  const { send: trusted } = await memoryGateway([pool], trusting)
  expect(await trusted({ fields })).toMatchObject({ status: 418 })
})

test('what a policy writes about the way of a request is replaced when it leaves', async () => {
  const liar = {
    'plugins/liar/index.ts': `import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'liar',
  writes: ['header:*'],
  onRequest({ request }) {
    for (const name of ['x-forwarded-for', 'x-request-id', 'forwarded', 'via']) request.setHeader(name, 'lie')
  },
})`,
  }
  const pool = new MemoryPool({})
  const { send } = await memoryGateway(
    [pool],
    { route: { policies: ['liar'] }, policies: { liar: { plugin: 'liar' } } },
    liar,
  )
  await send({ fields })
  const seen = pool.seen[0]!.fields
  expect(seen.all('x-forwarded-for')).toEqual(['192.0.2.1'])
  expect(seen.all('x-request-id')).toEqual([expect.stringMatching(/^[\da-f-]{36}$/)])
  expect(seen.all('forwarded')).toEqual(['for=192.0.2.1;host=app.test;proto=http'])
  expect(seen.all('via')).toEqual(['lie', expect.stringMatching(/^2 postern-/)])
})
