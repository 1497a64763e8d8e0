import { describe, expect, it } from 'vitest'
import { deadPort, echoBackend, tcpBackend } from '../helpers/backend.ts'
import { drained, open, send, testInClear } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess } from '../helpers/gateway.ts'

/** Leaves its mark on the request and the response; replies when told so by a header. */
const mark = `
import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'mark',
  options: {
    type: 'object', additionalProperties: false, required: ['as'],
    properties: { as: { type: 'string' }, replyAt: { type: 'string', default: '' } },
  },
  reads: ['header:x-trail', 'header:x-reply', 'response.header:x-trail'],
  writes: ['header:x-trail', 'response.header:x-trail'],
  onRequest({ request, options }) {
    const trail = request.header('x-trail')
    request.setHeader('x-trail', (trail === undefined ? '' : trail + ' ') + options.as)
    request.state = 'state of ' + options.as
    if (request.header('x-reply') === options.as) return reply(418, { title: 'made by ' + options.as })
  },
  onResponse({ response, options, state }) {
    const trail = response.header('x-trail')
    response.setHeader('x-trail', (trail === undefined ? '' : trail + ' ') + options.as + (state === 'state of ' + options.as ? '' : '?'))
  },
})`

const marked = (as: string): Json => ({ plugin: 'mark', options: { as } })

async function chain() {
  const backend = await echoBackend()
  return startInProcess(
    httpConfig([backend.port], {
      listeners: { web: { policies: ['l1', 'l2'] } },
      routes: { all: { policies: ['r1'] } },
      upstreams: { app: { policies: ['u1', 'u2'] } },
      policies: { l1: marked('l1'), l2: marked('l2'), r1: marked('r1'), u1: marked('u1'), u2: marked('u2') },
    }),
    { 'plugins/mark/index.ts': mark },
  )
}

describe('the chain of a request', () => {
  it("runs the listener's, the route's, then the upstream's policies, and walks back up in reverse", async () => {
    const { port } = await chain()
    const answer = await send(port('web'), '/')
    expect(answer.json<{ headers: Record<string, string> }>().headers['x-trail']).toBe('l1 l2 r1 u1 u2')
    expect(answer.headers['x-trail']).toBe('u2 u1 r1 l2 l1')
  })

  it.each([
    ['l1', 'l1'],
    ['r1', 'r1 l2 l1'],
    ['u1', 'u1 r1 l2 l1'],
  ])('ends at the reply of %s, which passes the policies whose turn had come', async (replying, trail) => {
    const { port, record } = await chain()
    const answer = await send(port('web'), '/', { headers: { 'x-reply': replying } })
    expect(answer.status).toBe(418)
    expect(answer.json()).toMatchObject({ title: `made by ${replying}` })
    expect(answer.headers['x-trail']).toBe(trail)
    expect((await record((line) => line.msg === 'request')).outcome).toBe('PD:mark')
  })

  it('passes errors made by the gateway through it too', async () => {
    const { port } = await startInProcess(
      httpConfig([await deadPort()], { routes: { all: { policies: ['r1'] } }, policies: { r1: marked('r1') } }),
      { 'plugins/mark/index.ts': mark },
    )
    const answer = await send(port('web'), '/')
    expect(answer.status).toBe(502)
    expect(answer.headers['x-trail']).toBe('r1')
  })

  it('logs how long each hook took', async () => {
    const { port, record } = await chain()
    await send(port('web'), '/')
    const logged = await record((line) => line.msg === 'request')
    expect(Object.keys(logged.hooks as object)).toEqual(
      expect.arrayContaining(['l1.onRequest', 'u2.onRequest', 'l1.onResponse']),
    )
  })
})

describe('choosing an upstream', () => {
  const choose = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'choose',
  options: { type: 'object', additionalProperties: false, properties: { upstream: { type: 'string', format: 'upstream' } } },
  reads: ['header:x-to'],
  writes: ['upstream'],
  onRequest({ request, options }) { request.useUpstream(request.header('x-to') ?? options.upstream ?? 'app') },
})`

  it("is a write: the last one wins, the chain goes on, and the chosen upstream's policies run", async () => {
    const [app, beta, gamma] = [await echoBackend('app'), await echoBackend('beta'), await echoBackend('gamma')]
    const upstream = (port: number, policies: Json = []): Json => ({
      backends: [{ address: `127.0.0.1:${port}` }],
      health: false,
      policies,
    })
    const { port } = await startInProcess(
      {
        listeners: { web: { address: '127.0.0.1', port: 0 } },
        routes: { all: { listener: 'web', upstream: 'app', policies: ['to-beta', 'to-gamma', 'after'] } },
        upstreams: { app: upstream(app.port), beta: upstream(beta.port), gamma: upstream(gamma.port, ['theirs']) },
        policies: {
          'to-beta': { plugin: 'choose', options: { upstream: 'beta' } },
          'to-gamma': { plugin: 'choose', options: { upstream: 'gamma' } },
          after: marked('after'),
          theirs: marked('theirs'),
        },
      },
      { 'plugins/choose/index.ts': choose, 'plugins/mark/index.ts': mark },
    )
    const answer = await send(port('web'), '/')
    expect(answer.headers['x-backend']).toBe('gamma')
    expect(answer.headers['x-trail']).toBe('theirs after')
    // One that does not exist, named at run time, fails the hook and nothing else.
    expect((await send(port('web'), '/', { headers: { 'x-to': 'nowhere' } })).status).toBe(500)
    expect((await send(port('web'), '/')).status).toBe(200)
  })
})

describe('selectBackend', () => {
  const pick = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'pick',
  reads: ['header:x-port'],
  selectBackend({ request, backends }) {
    return backends.find((backend) => backend.address.endsWith(':' + request.header('x-port')))
  },
})`

  it('chooses among the candidates; nothing leaves the choice to the balance', async () => {
    const [one, two] = [await echoBackend('one'), await echoBackend('two')]
    const { port } = await startInProcess(
      httpConfig([one.port, two.port], {
        upstreams: { app: { policies: ['pick'] } },
        policies: { pick: { plugin: 'pick' } },
      }),
      { 'plugins/pick/index.ts': pick },
    )
    for (let i = 0; i < 4; i++) {
      expect((await send(port('web'), '/', { headers: { 'x-port': `${two.port}` } })).headers['x-backend']).toBe('two')
    }
    const names = new Set<unknown>()
    while (names.size < 2) names.add((await send(port('web'), '/')).headers['x-backend'])
    expect(names).toEqual(new Set(['one', 'two']))
  })
})

describe('a policy that fails', () => {
  const faulty = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'faulty',
  reads: ['header:x-fault'],
  onRequest({ request }) {
    const fault = request.header('x-fault')
    if (fault === 'loop') while (true) {}
    if (fault === 'throw') throw new Error('as asked')
    if (fault === 'undeclared') request.setHeader('x-undeclared', '1')
    if (fault === 'hop') request.setHeader('transfer-encoding', 'chunked')
  },
})`
  const config = async (onFailure: string): Promise<Json> => {
    const backend = await echoBackend()
    return httpConfig([backend.port], {
      routes: { bad: { listener: 'web', upstream: 'app', match: { path: '/bad' }, policies: ['faulty'] } },
      policies: { faulty: { plugin: 'faulty', onFailure } },
    })
  }

  it.each([
    ['loop', 'PT:faulty'],
    ['throw', 'PE:faulty'],
    ['undeclared', 'PE:faulty'],
    ['hop', 'PE:faulty'],
  ])('by %s costs its request 500 and nothing else', async (fault, outcome) => {
    const { port, record } = await startInProcess(await config('reject'), { 'plugins/faulty/index.ts': faulty })
    const beside = Array.from({ length: 10 }, () => send(port('web'), '/good'))
    const bad = await send(port('web'), '/bad', { headers: { 'x-fault': fault } })
    expect(bad.status).toBe(500)
    expect(bad.headers['content-type']).toBe('application/problem+json')
    expect(bad.body).not.toContain('as asked')
    for (const answer of await Promise.all(beside)) expect(answer.status).toBe(200)
    expect((await send(port('web'), '/bad')).status).toBe(200)
    expect((await record((line) => line.msg === 'request' && line.status === 500)).outcome).toBe(outcome)
    expect(await record((line) => line.msg === 'policy failed')).toMatchObject({ policy: 'faulty', hook: 'onRequest' })
  })

  it.each(['loop', 'throw'])('by %s is passed over where onFailure says continue', async (fault) => {
    const { port, record } = await startInProcess(await config('continue'), { 'plugins/faulty/index.ts': faulty })
    expect((await send(port('web'), '/bad', { headers: { 'x-fault': fault } })).status).toBe(200)
    await record((line) => line.msg === 'policy failed')
  })
})

describe('onClose', () => {
  const closing = `
import { definePlugin } from 'postern/sdk'
let closed = ''
export default definePlugin({
  name: 'closing',
  reads: ['outcome', 'response.status'],
  writes: ['response.header:x-closed'],
  onRequest() {},
  onResponse({ response }) { response.setHeader('x-closed', closed) },
  onClose({ outcome, status }) { closed = outcome + ' ' + status },
})`

  it('runs once at the end of a request, also after an early exit', async () => {
    const backend = await echoBackend()
    const { port } = await startInProcess(
      httpConfig([backend.port], {
        upstreams: { gone: { backends: [{ address: `127.0.0.1:${await deadPort()}` }], health: false } },
        routes: {
          all: { policies: ['closing'] },
          bad: { listener: 'web', upstream: 'gone', match: { path: '/bad' }, policies: ['closing'] },
        },
        policies: { closing: { plugin: 'closing' } },
      }),
      { 'plugins/closing/index.ts': closing },
    )
    expect((await send(port('web'), '/bad')).status).toBe(502)
    // onClose comes after the answer: ask until a later request sees what it left in the module.
    let seen: unknown = ''
    while (seen === '') seen = (await send(port('web'), '/bad')).headers['x-closed']
    expect(seen).toBe('UF 502')
  })
})

testInClear('one plugin refuses clients on both layers: ip-restriction on an http and a tcp listener', async () => {
  const web = await echoBackend()
  const tcp = await tcpBackend((socket) => void socket.end('here'))
  const config = (deny: string): Json => ({
    listeners: {
      web: { address: '127.0.0.1', port: 0, policies: ['guard'] },
      db: { protocol: 'tcp', address: '127.0.0.1', port: 0, policies: ['guard'] },
    },
    routes: { web: { listener: 'web', upstream: 'web' }, db: { listener: 'db', upstream: 'db' } },
    upstreams: {
      web: { backends: [{ address: `127.0.0.1:${web.port}` }], health: false },
      db: { protocol: 'tcp', backends: [{ address: `127.0.0.1:${tcp.port}` }], health: false },
    },
    policies: { guard: { plugin: 'ip-restriction', options: { deny: [deny] } } },
  })
  const { port, reload, record } = await startInProcess(config('127.0.0.0/8'))
  expect((await send(port('web'), '/')).status).toBe(403)
  expect(await drained(await open(port('db')))).toBe('')
  expect((await record((line) => line.msg === 'connection')).outcome).toBe('PD:ip-restriction')
  await reload(config('192.0.2.0/24'))
  expect((await send(port('web'), '/')).status).toBe(200)
  expect(await drained(await open(port('db')))).toBe('here')
})
