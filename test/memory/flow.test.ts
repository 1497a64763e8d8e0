import { describe, expect, test } from 'vitest'
import { until } from '../helpers/until.ts'
import { type MemoryAnswer, MemoryPool } from './backend.ts'
import type { MemoryRequest } from './client.ts'
import { memoryGateway } from './gateway.ts'

const plugin = (name: string, rest: string): Record<string, string> => ({
  [`plugins/${name}/index.ts`]: `import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({ name: '${name}', ${rest} })`,
})

/** Attaches one plugin of that name to the route. */
const attached = (name: string, onFailure = 'reject') => ({
  route: { policies: [name] },
  policies: { [name]: { plugin: name, onFailure } },
})

const put: MemoryRequest = { method: 'PUT', body: ['so', 'me'] }

const sized = (length: number): string[] => ['host', 'app.test', 'content-length', `${length}`]

describe('a request, whatever carries it', () => {
  test('reaches the backend with what the gateway says of it, and the answer the client', async () => {
    const pool = new MemoryPool({
      fields: ['x-a', '1', 'connection', 'x-a'],
      body: ['hel', 'lo'],
      trailers: ['x-sum', '5'],
    })
    const { send, end } = await memoryGateway([pool])
    const exchange = await send({
      path: '/a?b',
      fields: ['host', 'app.test', 'x-forwarded-for', '6.6.6.6', 'x-b', '2'],
    })
    expect(exchange).toMatchObject({ status: 200, body: 'hello', outcome: 'sent', isLast: false })
    expect(exchange.response.get('x-a')).toBeUndefined()
    expect(exchange.response.get('via')).toMatch(/^2 postern-[\da-f]{8}$/)
    expect(exchange.sentTrailers?.list).toEqual(['x-sum', '5'])
    const [seen] = pool.seen
    expect(seen).toMatchObject({ method: 'GET', target: '/a?b' })
    expect(seen!.fields.get('x-forwarded-for')).toBe('192.0.2.1')
    expect(seen!.fields.get('x-b')).toBe('2')
    expect(seen!.fields.get('via')).toMatch(/^2 postern-/)
    expect(await end()).toMatchObject({ bytesOut: 5, error: undefined, flow: { outcome: '', routeName: 'all' } })
  })

  test('a body goes up piece by piece, with its trailers', async () => {
    const pool = new MemoryPool({})
    const { send } = await memoryGateway([pool])
    await send({ method: 'POST', body: ['one ', 'two'], trailers: ['x-sum', '7', 'x_sum', '8'] })
    expect(pool.seen[0]).toMatchObject({ method: 'POST', body: 'one two' })
    expect(pool.seen[0]!.trailers?.list).toEqual(['x-sum', '7'])
  })

  test('HEAD gets the head alone, interim responses go through', async () => {
    const pool = new MemoryPool({ interim: [103], fields: ['content-length', '5'], body: [] })
    const { send } = await memoryGateway([pool])
    const exchange = await send({ method: 'HEAD' })
    expect(exchange).toMatchObject({ status: 200, body: '', interim: [103] })
    expect(exchange.response.get('content-length')).toBe('5')
  })

  test('no route, no host: answered here; a malformed one ends its connection', async () => {
    const { send } = await memoryGateway([new MemoryPool({})], { route: { match: { path: '/only' } } })
    const nowhere = await send({ path: '/' })
    expect(nowhere).toMatchObject({ status: 404, isLast: false })
    expect(JSON.parse(nowhere.body)).toMatchObject({ type: 'urn:postern:outcome:NR' })
    expect(await send({ fields: [] })).toMatchObject({ status: 400, isLast: true })
  })

  test('a slow client slows the backend down', async () => {
    const pool = new MemoryPool({ body: ['aaaa', 'bbbb', 'cccc'] })
    const { begin } = await memoryGateway([pool])
    const exchange = begin({ window: 4 })
    await until('the first piece', () => exchange.body === 'aaaa')
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(exchange.body).toBe('aaaa')
    exchange.take(100)
    await until('the rest', () => exchange.outcome === 'sent')
    expect(exchange.body).toBe('aaaabbbbcccc')
  })

  test('an upgrade becomes a tunnel of two streams', async () => {
    const pool = new MemoryPool({ upgrade: 'chat' })
    const { begin, end } = await memoryGateway([pool])
    const exchange = begin({ upgrade: 'chat' })
    const client = await until('the tunnel', () => exchange.tunnel)
    const backend = pool.seen[0]!.tunnel!
    client.end('ping')
    backend.end('pong!')
    const read = async (stream: AsyncIterable<Buffer>): Promise<string> =>
      Buffer.concat(await Array.fromAsync(stream)).toString()
    expect(await Promise.all([read(backend), read(client)])).toEqual(['ping', 'pong!'])
    expect(await end()).toMatchObject({ bytesIn: 4, bytesOut: 5, error: undefined })
    expect(exchange.status).toBe(101)
  })
})

describe('backends', () => {
  test('one that is not reached is passed over, whatever the method', async () => {
    const pools = [new MemoryPool({ fails: 'UF' }), new MemoryPool({ body: ['ok'] })]
    const { send } = await memoryGateway(pools)
    for (const method of ['GET', 'POST'])
      expect(await send({ method, body: ['x'] })).toMatchObject({ status: 200, body: 'ok' })
  })

  test.each<[string, MemoryRequest, MemoryAnswer, (string | undefined)[]]>([
    ['GET', {}, { stale: true }, ['any', 'none']],
    ['HEAD', { method: 'HEAD' }, { stale: true }, ['any', 'none']],
    ['a registered method', { method: 'REPORT' }, { stale: true }, ['any', 'none']],
    ['POST', { method: 'POST' }, { stale: true }, ['proven']],
    ['POST, not the first of its connection', { method: 'POST', isFirst: false }, { stale: true }, ['any']],
    ['PUT with a short body', { ...put, fields: sized(4) }, { stale: true }, ['any', 'none']],
    ['PUT with a body that may be long', put, { stale: true }, ['proven']],
    [
      'PUT with a long body',
      { ...put, body: ['x'.repeat(20_000)], fields: sized(20_000) },
      { stale: true },
      ['proven'],
    ],
    ['GET on a new connection', {}, { stale: false }, ['any']],
    ['GET on a new connection, reset', {}, { fails: 'UR' }, ['any']],
  ])('when a kept-alive connection is dead: %s', async (_what, request, answer, attempts) => {
    const pool = new MemoryPool({ fails: 'UC', ...answer }, { body: ['ok'] })
    const { send, end } = await memoryGateway([pool])
    const status = attempts.length === 2 ? 200 : 502
    expect(await send(request)).toMatchObject({ status })
    expect(pool.seen.map(({ reuse }) => reuse)).toEqual(attempts)
    const { body = [] } = request
    for (const seen of pool.seen) expect(seen.body).toBe(body.join(''))
    expect((await end()).flow.outcome).toBe(status === 200 ? '' : (answer.fails ?? 'UC'))
  })

  test('after the second connection there is no third', async () => {
    const pool = new MemoryPool({ fails: 'UC', stale: true }, { fails: 'UC' }, { body: ['ok'] })
    const { send } = await memoryGateway([pool])
    expect(await send()).toMatchObject({ status: 502 })
    expect(pool.seen).toHaveLength(2)
  })

  test.each<[string, MemoryRequest, number, number]>([
    ['GET', {}, 1, 200],
    ['POST', { method: 'POST' }, 1, 200],
    ['POST with a short body of unknown length', { ...put, method: 'POST' }, 1, 200],
    ['POST, again and again', { ...put, method: 'POST' }, 2, 200],
    ['POST, but not for ever', { ...put, method: 'POST' }, 3, 502],
    ['POST with a long body', { ...put, method: 'POST', body: ['x'.repeat(20_000)] }, 1, 502],
  ])('a request that the backend has not processed is sent again: %s', async (_what, request, times, status) => {
    const refusals = Array.from({ length: times }, () => ({ fails: 'UR', refuses: true }) as const)
    const pool = new MemoryPool(...refusals, { body: ['ok'] })
    const { send } = await memoryGateway([pool])
    expect(await send(request)).toMatchObject({ status })
    expect(pool.seen).toHaveLength(status === 200 ? times + 1 : times)
    for (const { body, reuse } of pool.seen) {
      expect(body).toBe((request.body ?? []).join(''))
      expect(reuse).not.toBe('none')
    }
  })

  test('a body that policies have changed is sent again as they left it', async () => {
    const files = plugin(
      'shout',
      `writes: ['body'], reads: ['body:buffer:100'],
      onRequest({ request }) { request.setBody('<' + request.body.text() + '>') }`,
    )
    const pool = new MemoryPool({ fails: 'UC', stale: true }, {})
    const { send } = await memoryGateway([pool], attached('shout'), files)
    expect(await send({ ...put, fields: sized(4) })).toMatchObject({ status: 200 })
    expect(pool.seen.map(({ body }) => body)).toEqual(['<some>', '<some>'])
  })

  test('none left: the error of the last attempt', async () => {
    const { send, end } = await memoryGateway([new MemoryPool({ fails: 'UF' }), new MemoryPool({ fails: 'UF' })])
    expect(await send()).toMatchObject({ status: 502 })
    expect((await end()).flow.outcome).toBe('UF')
  })

  test('one that fails in the middle of its answer breaks the exchange', async () => {
    const { send, end } = await memoryGateway([new MemoryPool({ status: 200, body: ['half'], fails: 'UR' })])
    expect(await send()).toMatchObject({ status: 200, body: 'half', outcome: 'aborted' })
    expect((await end()).flow).toMatchObject({ outcome: 'UR', response: { status: 200 } })
  })

  test('a client that disconnects ends its request at the backend', async () => {
    const pool = new MemoryPool({ stalls: 'head' })
    const { begin, end } = await memoryGateway([pool])
    const exchange = begin()
    await until('the request', () => pool.seen[0])
    exchange.leave()
    expect((await end()).flow.outcome).toBe('DC')
    expect(pool.seen[0]!.cancelled).toBe(true)
  })
})

describe('policies', () => {
  test('reply, write, see the answer and its replacement', async () => {
    const files = plugin(
      'guard',
      `reads: ['path', 'header:x-forwarded-for'], writes: ['header:x-seen', 'response.header:x-late'],
      onRequest({ request }) {
        if (request.path === '/no') return reply(403, 'no')
        request.setHeader('x-seen', request.header('x-forwarded-for') ?? 'nothing')
      },
      onResponse({ response }) { response.setHeader('x-late', 'yes') },`,
    )
    const pool = new MemoryPool({ body: ['ok'] })
    const { send, end, events } = await memoryGateway([pool], attached('guard'), files)
    const fields = ['host', 'app.test', 'x-forwarded-for', '6.6.6.6']
    const passed = await send({ path: '/yes', fields })
    expect(passed.response.get('x-late')).toBe('yes')
    expect(pool.seen[0]!.fields.get('x-seen')).toBe('nothing')
    const refused = await send({ path: '/no', fields })
    expect(refused).toMatchObject({ status: 403, body: 'no' })
    expect(refused.response.get('x-late')).toBe('yes')
    expect((await end(1)).flow.outcome).toBe('PD:guard')
    const hooks = events
      .filter((event) => event.kind === 'hook')
      .map(({ result: { hook, ran, operations } }) => [hook, ran, operations.length])
    expect(hooks).toEqual([
      ['onRequest', true, 1],
      ['onResponse', true, 1],
      ['onRequest', true, 1],
      ['onResponse', true, 1],
    ])
  })

  test.each([
    ['reject', 500, 'PE:broken'],
    ['continue', 200, ''],
  ])('one that throws, onFailure %s: %i', async (onFailure, status, outcome) => {
    const files = plugin('broken', `onRequest() { throw new Error('no idea') }`)
    const { send, end } = await memoryGateway([new MemoryPool({})], attached('broken', onFailure), files)
    expect(await send()).toMatchObject({ status })
    expect((await end()).flow.outcome).toBe(outcome)
  })

  test('hold, change and replace bodies', async () => {
    const files = plugin(
      'bodies',
      `reads: ['body:buffer:100'], writes: ['body', 'response.body'],
      onRequest({ request }) { request.setBody('<' + request.body.text() + '>') },
      onResponseBody({ chunk }) { return chunk.bytes.map((byte) => byte ^ 0x20) },`,
    )
    const pool = new MemoryPool({ body: ['ab', 'cd'] })
    const { send } = await memoryGateway([pool], attached('bodies'), files)
    expect(await send({ method: 'POST', body: ['x', 'y'] })).toMatchObject({ body: 'ABCD' })
    expect(pool.seen[0]).toMatchObject({ body: '<xy>' })
    expect(await send({ method: 'POST', body: ['x'.repeat(101)] })).toMatchObject({ status: 413 })
  })

  test('one whose trigger does not match is reported as skipped', async () => {
    const files = plugin('rare', `when: { paths: ['/rare'] }, onRequest() { return reply(200, 'rare') }`)
    const { send, events } = await memoryGateway([new MemoryPool({})], attached('rare'), files)
    await send({ path: '/' })
    await send({ path: '/rare' })
    expect(events.filter((event) => event.kind === 'hook').map(({ result: { ran } }) => ran)).toEqual([false, true])
  })
})
