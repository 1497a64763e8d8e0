import { describe, expect, test } from 'vitest'
import type { Json } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { type MemoryAnswer, MemoryPool } from './backend.ts'
import type { MemoryRequest } from './client.ts'
import { type MemoryGateway, memoryGateway } from './gateway.ts'

type Waiting = 'onRequest' | 'onRequestBody' | 'onResponse' | 'onResponseBody'

/** Waits in one hook for a fetch that is never answered. */
const waiter = (hook: Waiting): Record<string, string> => ({
  'plugins/waiter/index.ts': `import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'waiter',
  needs: ['fetch'],
  writes: ['body', 'response.body'],
  async ${hook}({ fetch }) { await fetch('http://slow.test/') },
})`,
})

interface Late {
  readonly listener?: { [key: string]: Json }
  readonly route?: { [key: string]: Json }
  readonly upstream?: { [key: string]: Json }
  readonly wait?: string
  readonly answer?: MemoryAnswer
}

function start(hook: Waiting, { route = {}, upstream = {}, wait = '1m', answer = {} }: Late): Promise<MemoryGateway> {
  const plugins = { waiter: { fetch: ['http://slow.test'], limits: { wait } } }
  const policies = { waiter: { plugin: 'waiter' } }
  const extra = { route: { policies: ['waiter'], ...route }, upstream, policies, plugins }
  return memoryGateway([new MemoryPool({ body: ['some ', 'body'], ...answer })], extra, waiter(hook))
}

const request: MemoryRequest = { method: 'POST', body: ['x'] }

/** How a flow ends that is late in a hook: answered as long as the client has no head, broken after that. */
async function endOf({ send, end }: MemoryGateway, sent = request): Promise<unknown[]> {
  const exchange = await send(sent)
  const { flow } = await end()
  // The record says what the client saw.
  expect(flow.response?.status).toBe(exchange.status)
  return [exchange.status, exchange.outcome, flow.outcome]
}

describe('a hook waits', () => {
  test.each<[Waiting, number, string, string]>([
    ['onRequest', 504, 'sent', '50ms'],
    ['onRequestBody', 504, 'sent', '50ms'],
    // Time enough for the head of the response, on a busy machine too.
    ['onResponse', 504, 'sent', '1s'],
    ['onResponseBody', 200, 'aborted', '1s'],
  ])('longer than its route allows: %s, %i, %s', async (hook, status, outcome, timeout) => {
    expect(await endOf(await start(hook, { route: { timeout } }))).toEqual([status, outcome, 'UT'])
  })

  test.each<[Waiting, number, string]>([
    ['onRequest', 500, 'sent'],
    ['onRequestBody', 500, 'sent'],
    ['onResponse', 500, 'sent'],
    ['onResponseBody', 200, 'aborted'],
  ])('longer than its plugin may: %s, %i, %s', async (hook, status, outcome) => {
    expect(await endOf(await start(hook, { wait: '50ms' }))).toEqual([status, outcome, 'PT:waiter'])
  })

  test.each<[Waiting, number, string]>([
    ['onResponse', 502, 'sent'],
    ['onResponseBody', 200, 'aborted'],
  ])('and the backend breaks meanwhile: %s, %i, %s', async (hook, status, outcome) => {
    const pool = new MemoryPool({ status: 200, body: ['some'], stalls: 'body' })
    const plugins = { waiter: { fetch: ['http://slow.test'], limits: { wait: '1m' } } }
    const extra = { route: { policies: ['waiter'] }, policies: { waiter: { plugin: 'waiter' } }, plugins }
    const gateway = await memoryGateway([pool], extra, waiter(hook))
    const exchange = gateway.begin(request)
    await until('the hook', () => pool.responding.length > 0 && pool.responding[0]!.headed)
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
    pool.responding[0]!.break('UR')
    const { flow } = await gateway.end()
    expect([exchange.status, exchange.outcome, flow.outcome]).toEqual([status, outcome, 'UR'])
  })

  test.each<Waiting>(['onRequest', 'onRequestBody', 'onResponse', 'onResponseBody'])(
    'and the client leaves meanwhile: %s',
    async (hook) => {
      const gateway = await start(hook, {})
      const exchange = gateway.begin(request)
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
      expect(exchange.isOver).toBe(false)
      exchange.leave()
      expect((await gateway.end()).flow.outcome).toBe('DC')
    },
  )

  test('in two hooks at once, as the backend answers early: the second one cannot replace the error that is being sent', async () => {
    const plugin = (name: string, hook: string): string =>
      waiter(hook as Waiting)['plugins/waiter/index.ts']!.replace("'waiter'", `'${name}'`)
    const gateway = await memoryGateway(
      [new MemoryPool({ early: true, stalls: 'body' })],
      {
        route: { policies: ['uploads', 'responses'], timeout: '300ms' },
        policies: {
          uploads: { plugin: 'uploads', onFailure: 'continue' },
          responses: { plugin: 'responses' },
        },
        plugins: {
          uploads: { fetch: ['http://slow.test'], limits: { wait: '50ms' } },
          responses: { fetch: ['http://slow.test'], limits: { wait: '900ms' } },
        },
      },
      {
        'plugins/uploads/index.ts': plugin('uploads', 'onRequestBody'),
        'plugins/responses/index.ts': plugin('responses', 'onResponse'),
      },
    )
    const exchange = gateway.begin({ ...request, stalls: true, window: 1 })
    await until('the error', () => exchange.body !== '')
    expect(exchange.status).toBe(504)
    await new Promise((resolve) => setTimeout(resolve, 900))
    exchange.take(1_000)
    const { flow } = await gateway.end()
    expect([exchange.outcome, flow.response?.status, flow.outcome]).toEqual(['sent', 504, 'UT'])
  })

  test('in two hooks at once, and the client leaves: neither goes on', async () => {
    const plugin = (name: string, hook: string): string =>
      waiter(hook as Waiting)
        ['plugins/waiter/index.ts']!.replace("'waiter'", `'${name}'`)
        .replace('slow.test/', `slow.test/${name}`)
    const gateway = await memoryGateway(
      [new MemoryPool({ early: true, stalls: 'body' })],
      {
        route: { policies: ['uploads', 'responses'] },
        policies: { uploads: { plugin: 'uploads' }, responses: { plugin: 'responses' } },
        plugins: Object.fromEntries(
          ['uploads', 'responses'].map((name) => [name, { fetch: ['http://slow.test'], limits: { wait: '1m' } }]),
        ),
      },
      {
        'plugins/uploads/index.ts': plugin('uploads', 'onRequestBody'),
        'plugins/responses/index.ts': plugin('responses', 'onResponse'),
      },
    )
    const exchange = gateway.begin({ ...request, stalls: true })
    await until('both hooks', () => gateway.fetching.size === 2)
    exchange.leave()
    expect((await gateway.end()).flow.outcome).toBe('DC')
    await until('both are cancelled', () => gateway.fetching.size === 0)
  })

  test('onResponse: neither the backend nor the client is blamed for it', async () => {
    const gateway = await start('onResponse', {
      upstream: { timeouts: { response: '50ms', idle: '50ms' } },
      wait: '800ms',
    })
    expect(await endOf(gateway)).toEqual([500, 'sent', 'PT:waiter'])
  })
})

describe('a body that a policy holds', () => {
  const holder = (hook: string, scope: string): Record<string, string> => ({
    'plugins/holder/index.ts': `import { definePlugin } from 'postern/sdk'
export default definePlugin({ name: 'holder', reads: ['${scope}:buffer:1000'], ${hook}() {} })`,
  })
  const policies = { holder: { plugin: 'holder' } }
  const held = {
    listener: { timeouts: { idle: '50ms' } },
    route: { policies: ['holder'] },
    upstream: { timeouts: { idle: '50ms' } },
    policies,
  }

  test('does not arrive: the client gets an error', async () => {
    const gateway = await memoryGateway([new MemoryPool({})], held, holder('onRequest', 'body'))
    expect(await endOf(gateway, { method: 'POST', body: ['x'], stalls: true })).toEqual([408, 'sent', 'CI'])
  })

  test.each([[['some']], [[]]])('does not arrive from the backend, after %j: 504', async (body) => {
    const gateway = await memoryGateway(
      [new MemoryPool({ body, stalls: 'body' })],
      held,
      holder('onResponse', 'response.body'),
    )
    expect(await endOf(gateway, {})).toEqual([504, 'sent', 'SI'])
  })
})

/** The phase that took most of the time. */
async function longestPhase(gateway: MemoryGateway): Promise<string> {
  const { route, policies, queue, connect, head, body } = (await gateway.end()).phases
  return Object.entries({ route, policies, queue, connect, head, body }).sort(([, a], [, b]) => b - a)[0]![0]
}

describe('no policy waits', () => {
  test.each<[string, Late, MemoryRequest, unknown[]]>([
    [
      'the backend, for its head',
      { upstream: { timeouts: { response: '50ms' } }, answer: { stalls: 'head' } },
      {},
      [504, 'sent', 'UT'],
    ],
    [
      'the backend, for its body',
      { upstream: { timeouts: { idle: '50ms' } }, answer: { stalls: 'body' } },
      {},
      [200, 'aborted', 'SI'],
    ],
    [
      'the client',
      { listener: { timeouts: { idle: '50ms' } } },
      { method: 'POST', body: ['x'], stalls: true },
      [408, 'sent', 'CI'],
    ],
    ['all of it', { route: { timeout: '50ms' }, answer: { stalls: 'head' } }, {}, [504, 'sent', 'UT']],
    [
      'the client, whose window holds back the response',
      { listener: { timeouts: { idle: '50ms' } }, upstream: { timeouts: { idle: '50ms' } } },
      { window: 2 },
      [200, 'aborted', 'SI'],
    ],
  ])('late is %s', async (_who, { listener = {}, route = {}, upstream = {}, answer = {} }, sent, expected) => {
    const pool = new MemoryPool({ body: ['some'], ...answer })
    const gateway = await memoryGateway([pool], { listener, route, upstream })
    expect(await endOf(gateway, sent)).toEqual(expected)
  })

  test.each<[string, Late, string]>([
    ['a slow connection', { route: { timeout: '100ms' }, answer: { stalls: 'connect' } }, 'connect'],
    ['a slow head', { upstream: { timeouts: { response: '100ms' } }, answer: { stalls: 'head' } }, 'head'],
    ['a slow body', { upstream: { timeouts: { idle: '100ms' } }, answer: { stalls: 'body' } }, 'body'],
  ])('the phases say where the time went: %s', async (_what, { route = {}, upstream = {}, answer = {} }, phase) => {
    const gateway = await memoryGateway([new MemoryPool({ body: ['some'], ...answer })], { route, upstream })
    await gateway.send()
    expect(await longestPhase(gateway)).toBe(phase)
  })

  test('the phases say where the time went: a policy that refuses late', async () => {
    const gateway = await start('onRequest', { wait: '100ms' })
    expect(await gateway.send(request)).toMatchObject({ status: 500 })
    expect(await longestPhase(gateway)).toBe('policies')
  })
})

describe('a listener with minRate', () => {
  const listener = { timeouts: { idle: '400ms' }, minRate: 1_000 }

  test('cuts off a client that sends less, and says so', async () => {
    const gateway = await memoryGateway([new MemoryPool({})], { listener })
    const exchange = gateway.begin({ method: 'POST', body: ['x'], stalls: true })
    const drip = setInterval(() => exchange.send('x'), 20)
    await until('the answer', () => exchange.isOver)
    clearInterval(drip)
    const { flow, error } = await gateway.end()
    expect([exchange.status, exchange.isLast, flow.outcome]).toEqual([408, true, 'CI'])
    expect(error?.message).toBe("the client sent less than 1000 bytes per second of the request's body for 400 ms")
  })

  test('cuts off a client that reads less', async () => {
    const gateway = await memoryGateway([new MemoryPool({ body: ['x'.repeat(10_000)] })], { listener })
    const exchange = gateway.begin({ window: 1 })
    const drip = setInterval(() => exchange.take(1), 20)
    await until('the end', () => exchange.isOver)
    clearInterval(drip)
    expect([exchange.outcome, (await gateway.end()).flow.outcome]).toEqual(['aborted', 'SI'])
  })

  test.each([
    ['sends more', { minRate: 10 }],
    ['sends little, where there is none', {}],
  ])('serves a client that %s', async (_what, rate) => {
    const patient = { timeouts: { idle: '400ms' }, ...rate }
    const gateway = await memoryGateway([new MemoryPool({ body: ['x'.repeat(100)] })], { listener: patient })
    const exchange = gateway.begin({ method: 'POST', body: ['x'], stalls: true, window: 1 })
    for (let i = 0; i < 60; i++) {
      exchange.send('x')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    exchange.finish()
    await until('the head', () => exchange.status === 200)
    for (let i = 0; i < 60; i++) {
      exchange.take(1)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    exchange.take(100)
    expect((await gateway.end()).flow.outcome).toBe('')
  })
})
