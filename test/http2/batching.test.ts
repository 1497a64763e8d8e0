import { expect, test } from 'vitest'
import { httpBackend } from '../helpers/backend.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'
import { request, rst } from './frames.ts'
import { openRaw } from './raw.ts'

const stamp = `
  import { definePlugin } from 'postern/sdk'
  export default definePlugin({
    name: 'stamp',
    reads: ['path'],
    writes: ['header:x-stamp'],
    onRequest: ({ request }) => request.setHeader('x-stamp', request.path),
  })`

/** A gateway with a policy on the route, and what its backend was asked: path and stamp. */
async function start() {
  const asked: string[] = []
  const backend = await httpBackend(({ url, headers }, response) => {
    asked.push(`${url} ${headers['x-stamp']}`)
    response.end('ok')
  })
  const sections = {
    listeners: { web: { http: ['1.1', '2'] } },
    routes: { all: { policies: ['stamp'] } },
    policies: { stamp: { plugin: 'stamp' } },
  }
  const running = await startInProcess(httpConfig([backend.port], sections), { 'plugins/stamp/index.ts': stamp })
  const counts = (): { calls: number; batches: number } => {
    const { calls = 0, batches = 0 } = running.gateway.snapshot.sandbox.stats()[0] ?? {}
    return { calls, batches }
  }
  return { ...running, asked, counts }
}

const stream = (i: number): number => i * 2 + 1

test('the streams of a session cross into the sandbox together', async () => {
  const { port, asked, counts } = await start()
  const client = await openRaw(port('web'))
  client.send(request(1))
  await client.answer(1)
  const before = counts()
  const ids = Array.from({ length: 12 }, (_, i) => stream(i + 1))
  client.send(...ids.map((id) => request(id, [':path', `/${id}`])))
  for (const id of ids) expect((await client.answer(id)).statuses).toEqual(['200'])
  expect(asked.slice(1).sort()).toEqual(ids.map((id) => `/${id} /${id}`).sort())
  const after = counts()
  expect(after.calls - before.calls).toBe(12)
  // One, unless the kernel cuts the bytes, or a busy machine the crossing.
  expect(after.batches - before.batches).toBeLessThan(6)
})

test('those of several sessions, too, as the requests of several connections do', async () => {
  const { port, counts } = await start()
  const clients = await Promise.all(Array.from({ length: 4 }, () => openRaw(port('web'))))
  for (const client of clients) await client.settled()
  const before = counts()
  for (const client of clients) client.send(...[1, 3, 5, 7].map((id) => request(id)))
  for (const client of clients) for (const id of [1, 3, 5, 7]) await client.answer(id)
  const after = counts()
  expect(after.calls - before.calls).toBe(16)
  expect(after.batches - before.batches).toBeLessThan(12)
})

test('a stream that is reset before its batch crosses is not in it, and reaches no backend', async () => {
  const { port, asked, counts, log } = await start()
  const client = await openRaw(port('web'))
  client.send(request(1))
  await client.answer(1)
  const before = counts()
  // In one read: the batch of that turn crosses behind it.
  client.send(request(3, [':path', '/3']), request(5, [':path', '/5']), rst(5), request(7, [':path', '/7']))
  for (const id of [3, 7]) expect((await client.answer(id)).statuses).toEqual(['200'])
  await client.settled()
  expect(counts().calls - before.calls).toBe(2)
  expect(asked.slice(1).sort()).toEqual(['/3 /3', '/7 /7'])
  const records = log.filter(({ msg, path }) => msg === 'request' && path !== '/')
  expect(records.map(({ path, outcome }) => [path, outcome]).sort()).toEqual([
    ['/3', ''],
    ['/5', 'DC'],
    ['/7', ''],
  ])
})

test('a batch whose streams are all reset does not cross', async () => {
  const { port, asked, counts } = await start()
  const client = await openRaw(port('web'))
  client.send(request(1), rst(1), request(3), rst(3))
  await client.settled()
  client.send(request(5))
  await client.answer(5)
  expect(counts()).toEqual({ calls: 1, batches: 1 })
  expect(asked).toHaveLength(1)
})
