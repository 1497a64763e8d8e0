import { describe, expect, test } from 'vitest'
import { echoBackend, tcpBackend } from '../helpers/backend.ts'
import { open, send } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

/** Leaves its mark where it runs, sets and removes what its options say, replies when told to. */
const tracer = `
import { definePlugin, reply } from 'postern/sdk'
const texts = { type: 'array', items: { type: 'string' } } as const
export default definePlugin({
  name: 'tracer',
  options: {
    type: 'object', additionalProperties: false, required: ['as'],
    properties: {
      as: { type: 'string' }, methods: texts, paths: texts, headers: texts,
      sets: { type: 'string' }, removes: { type: 'string' }, replies: { type: 'boolean', default: false },
    },
  },
  when: ({ methods, paths, headers }) => ({ methods, paths, headers }),
  reads: ['header:x-trail', 'response.header:x-trail'],
  writes: ({ sets, removes }) => [
    'header:x-trail', 'response.header:x-trail',
    ...[sets, removes].filter((name) => name !== undefined).map((name) => \`header:\${name}\` as const),
  ],
  onConnect({ connection }) {
    if (connection.layer === 'L4') return reply(403)
  },
  onRequest({ request, options }) {
    request.setHeader('x-trail', ((request.header('x-trail') ?? '') + ' ' + options.as).trim())
    request.state = 'seen'
    if (options.sets !== undefined) request.setHeader(options.sets, '')
    if (options.removes !== undefined) request.removeHeader(options.removes)
    if (options.replies) return reply(418)
  },
  onResponse({ response, options, state }) {
    const mark = options.as + (state === 'seen' ? '' : '?')
    response.setHeader('x-trail', ((response.header('x-trail') ?? '') + ' ' + mark).trim())
  },
})`

type Options = { readonly [name: string]: Json }

async function gateway(policies: readonly Options[]): ReturnType<typeof startInProcess> {
  const backend = await echoBackend()
  return startInProcess(
    httpConfig([backend.port], {
      routes: { all: { policies: policies.map(({ as }) => as as string) } },
      policies: Object.fromEntries(policies.map((options) => [options.as as string, { plugin: 'tracer', options }])),
    }),
    { 'plugins/tracer/index.ts': tracer },
  )
}

interface Trails {
  readonly request: string | undefined
  readonly response: string | undefined
}

async function trails({ port }: TestGateway, path: string, options: Parameters<typeof send>[2] = {}): Promise<Trails> {
  const { status, headers, json } = await send(port('web'), path, options)
  const sent = status === 200 ? json<{ headers: Record<string, string> }>().headers : {}
  return { request: sent['x-trail'], response: headers['x-trail'] as string | undefined }
}

describe('a trigger', () => {
  test('runs the hooks of requests that it matches, and no other', async () => {
    const running = await gateway([
      { as: 'all' },
      { as: 'post', methods: ['POST'] },
      { as: 'below', paths: ['/a/*'] },
      { as: 'named', headers: ['X-Name'] },
      { as: 'both', methods: ['GET'], paths: ['/a/b', '/c'] },
    ])
    expect(await trails(running, '/')).toEqual({ request: 'all', response: 'all' })
    expect(await trails(running, '/', { method: 'POST' })).toEqual({ request: 'all post', response: 'post all' })
    expect(await trails(running, '/a')).toEqual({ request: 'all', response: 'all' })
    expect(await trails(running, '/a/b')).toEqual({ request: 'all below both', response: 'both below all' })
    expect(await trails(running, '/a/b?c=d')).toEqual({ request: 'all below both', response: 'both below all' })
    const headers = { 'x-name': '' }
    expect(await trails(running, '/', { headers })).toEqual({ request: 'all named', response: 'named all' })
  })

  test('is checked at the turn of its policy, after the changes of earlier ones', async () => {
    const running = await gateway([
      { as: 'early', headers: ['x-key'] },
      { as: 'adds', sets: 'x-key', paths: ['/add'] },
      { as: 'late', headers: ['x-key'] },
      { as: 'takes', removes: 'x-key' },
      { as: 'last', headers: ['x-key'] },
    ])
    expect(await trails(running, '/')).toEqual({ request: 'takes', response: 'takes' })
    // Its onResponse looks at the request as it has become.
    expect(await trails(running, '/add')).toEqual({ request: 'adds late takes', response: 'takes adds' })
    const headers = { 'x-key': '1' }
    expect(await trails(running, '/', { headers })).toEqual({ request: 'early late takes', response: 'takes' })
  })

  test('that did not match still counts as a turn: later hooks check it again', async () => {
    const running = await gateway([
      { as: 'first', headers: ['x-late'] },
      { as: 'adds', sets: 'x-late' },
      { as: 'answers', replies: true },
      { as: 'never', headers: ['x-late'] },
    ])
    // `never` comes after the reply in the chain: it has had no turn, whatever its trigger is.
    expect(await trails(running, '/')).toEqual({ request: undefined, response: 'answers adds first?' })
  })

  test('costs no call: what was skipped is counted', async () => {
    const running = await gateway([{ as: 'a' }, { as: 'b', methods: ['POST'] }])
    for (let i = 0; i < 3; i++) await trails(running, '/')
    const [stats] = running.gateway.snapshot.sandbox.stats()
    const counts = stats!.policies.map(({ policy, calls, skipped }) => ({ policy, calls, skipped }))
    expect(counts).toEqual([
      { policy: 'a', calls: 6, skipped: 0 },
      { policy: 'b', calls: 0, skipped: 6 },
    ])
  })

  test('says nothing on L4: there the hooks always run', async () => {
    const backend = await tcpBackend((socket) => socket.end('passed'))
    const upstreams = { app: { protocol: 'tcp', backends: [{ address: `127.0.0.1:${backend.port}` }], health: false } }
    const policies = { p: { plugin: 'tracer', options: { as: 'p', paths: ['/nowhere'], headers: ['x-none'] } } }
    const listeners = { web: { protocol: 'tcp', address: '127.0.0.1', port: 0, policies: ['p'] } }
    const routes = { all: { listener: 'web', upstream: 'app' } }
    const running = await startInProcess(
      { listeners, routes, upstreams, policies },
      { 'plugins/tracer/index.ts': tracer },
    )
    const socket = await open(running.port('web'))
    let got = ''
    let closed = false
    socket.on('data', (chunk: Buffer) => {
      got += chunk.toString()
    })
    socket.on('close', () => {
      closed = true
    })
    await until('the connection to be refused', () => closed)
    expect(got).toBe('')
    const record = await running.record(({ msg }) => msg === 'connection')
    expect(record.outcome).toBe('PD:tracer')
  })
})
