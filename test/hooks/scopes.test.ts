import { join } from 'node:path'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { checkConfig } from '../../core/check/check.ts'
import { Gateway } from '../../core/gateway.ts'
import { createGrantHost } from '../../core/grants/grant-host.ts'
import type { SandboxEvent } from '../../core/sandbox/event.ts'
import { createEventLog } from '../../core/sandbox/event-log.ts'
import { Log } from '../../core/telemetry/log.ts'
import { echoBackend } from '../helpers/backend.ts'
import { type ClientResponse, send } from '../helpers/client.ts'
import { gatewayFolder, httpConfig } from '../helpers/gateway.ts'

/** Plain JavaScript, as an author writes it whom no type checker stops: does by path what it did not declare. */
const careless = `
import { definePlugin, reply } from 'postern/sdk'
const big = 'v'.repeat(8192)
export default definePlugin({
  name: 'careless',
  reads: ['path', 'header:x-known', 'response.status'],
  writes: ['header:x-seen', 'response.header:x-out'],
  onRequest({ request, client, connection, ...rest }) {
    switch (request.path) {
      case '/reads': {
        const seen = [
          request.method, request.header('X-Other'), request.header('x-known'), request.parameter('q'),
          request.cookie('c'), request.headers().length, client.ip, connection.peer.ip, request.consumer,
        ]
        for (let i = 0; i < 3; i++) request.header('x-other')
        return request.setHeader('x-seen', JSON.stringify(seen))
      }
      case '/names':
        for (let i = 0; i < 10_000; i++) request.header('x-' + i)
        return
      case '/undeclared': return request.setHeader('x-undeclared', '1')
      case '/removes': return request.removeHeader('x-known')
      case '/upstream': return request.useUpstream('app')
      case '/consumer': request.consumer = 'bob'; return
      case '/framing': return request.setHeader('Content-Length', '0')
      case '/pseudo': return request.setHeader(':path', '/other')
      case '/host': return request.setHeader('host', 'other')
      case '/cr': return request.setHeader('x-seen', 'a\\rb')
      case '/lf': return request.setHeader('x-seen', 'a\\nx-smuggled: 1')
      case '/nul': return request.setHeader('x-seen', 'a\\0b')
      case '/value': return request.setHeader('x-seen', big + 'v')
      case '/total':
        for (let i = 0; i < 9; i++) request.setHeader('x-seen', big)
        return
      case '/reply-lf': return reply(200, '', { 'x-a': 'a\\nb: c' })
      case '/reply-framing': return reply(200, '', { 'transfer-encoding': 'chunked' })
      case '/first-sound':
        request.setHeader('x-seen', 'sound')
        return request.setHeader('x-undeclared', '1')
      case '/fits':
        return request.setHeader('x-seen', big.slice(0, 4000))
    }
  },
  onResponse({ request, response }) {
    if (request.path === '/response') response.setHeader('x-other', '1')
    if (request.path === '/fits') response.setHeader('x-out', String(response.header('x-out')))
  },
})`

interface Running {
  readonly events: SandboxEvent[]
  readonly gateway: Gateway
  get(path: string, headers?: Record<string, string>): Promise<ClientResponse>
}

async function start(): Promise<Running> {
  const backend = await echoBackend()
  const config = httpConfig([backend.port], {
    routes: { all: { policies: ['p', 'q'] } },
    policies: { p: { plugin: 'careless', options: {} }, q: { plugin: 'careless', options: {} } },
  })
  const folder = gatewayFolder(config, { 'plugins/careless/index.js': careless })
  const events: SandboxEvent[] = []
  const log = new Log({ write: () => {} })
  const gateway = new Gateway({ log, grants: createGrantHost(), onEvent: (event) => events.push(event) })
  onTestFinished(() => gateway.close())
  const checked = await checkConfig(join(folder, 'gateway.json'))
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  const prepared = await gateway.prepare(checked)
  prepared.commit()
  return { events, gateway, get: (path, headers = {}) => send(gateway.port('web')!, path, { headers }) }
}

afterEach(() => vi.unstubAllEnvs())

describe('reads that are not declared', () => {
  test('return undefined, and are reported once for each field', async () => {
    const { events, get } = await start()
    const headers = { 'x-known': 'k', 'x-other': 'secret', cookie: 'c=secret' }
    for (let i = 0; i < 3; i++) {
      const answer = await get('/reads?q=secret', headers)
      const seen = JSON.parse(answer.json<{ headers: Record<string, string> }>().headers['x-seen']!) as unknown[]
      expect(seen).toEqual([null, null, 'k', null, null, 0, null, null, null])
    }
    const told = events.filter(({ type }) => type === 'undeclared')
    const fields = ['method', 'header:x-other', 'query:q', 'cookie:c', 'header:*', 'client.ip', 'peer.ip', 'consumer']
    expect(told.map(({ message }) => message)).toEqual(
      fields.map(
        (field) => `the plugin reads ${field} without declaring it and gets undefined; add '${field}' to reads`,
      ),
    )
    expect(told[0]).toMatchObject({ plugin: 'careless', policy: 'p', hook: 'onRequest' })
  })

  test('are reported for responses, too', async () => {
    const { events, get } = await start()
    expect((await get('/fits')).headers['x-out']).toBe('undefined')
    expect(events.filter(({ type }) => type === 'undeclared')).toMatchObject([
      { hook: 'onResponse', message: expect.stringContaining("add 'response.header:x-out' to reads") as string },
    ])
  })

  test('are reported for a limited number of fields', async () => {
    const { events, get } = await start()
    for (let i = 0; i < 3; i++) expect((await get('/names')).status).toBe(200)
    expect(events.filter(({ type }) => type === 'undeclared').length).toBe(50)
  })

  test.each([
    ['POSTERN_ENV', 'production', 0],
    ['NODE_ENV', 'production', 0],
    ['POSTERN_ENV', 'development', 8],
  ])('with %s=%s', async (name, value, expected) => {
    vi.stubEnv('NODE_ENV', name === 'POSTERN_ENV' && value === 'development' ? 'production' : 'test')
    vi.stubEnv(name, value)
    const { events, get } = await start()
    expect((await get('/reads')).status).toBe(200)
    expect(events.filter(({ type }) => type === 'undeclared').length).toBe(expected)
  })
})

test('the log reports an undeclared read once, whatever the number of workers that found it', () => {
  const lines: unknown[] = []
  const log = createEventLog({
    info: () => {},
    warn: (event, facts) => lines.push([event, facts.plugin, facts.message]),
  })
  const event: SandboxEvent = { type: 'undeclared', plugin: 'p', hash: 'h1', alone: false, message: 'it reads path' }
  for (let worker = 0; worker < 4; worker++) log(event)
  log({ ...event, message: 'it reads host' })
  log({ ...event, hash: 'h2' })
  log({ ...event, type: 'threw', message: 'stands with its request' })
  for (let i = 0; i < 2; i++) log({ ...event, type: 'replaced', message: 'out of memory' })
  expect(lines).toEqual([
    ['undeclared read', 'p', 'it reads path'],
    ['undeclared read', 'p', 'it reads host'],
    ['undeclared read', 'p', 'it reads path'],
    ['isolate replaced', 'p', 'out of memory'],
    ['isolate replaced', 'p', 'out of memory'],
  ])
})

describe('writes that are not allowed', () => {
  const refused: readonly [path: string, why: string][] = [
    ['/undeclared', "declare writes: ['header:x-undeclared']"],
    ['/removes', "declare writes: ['header:x-known']"],
    ['/upstream', "declare writes: ['upstream']"],
    ['/consumer', "declare writes: ['consumer']"],
    ['/framing', "declare writes: ['header:content-length']"],
    ['/pseudo', "declare writes: ['header::path']"],
    ['/host', "declare writes: ['header:host']"],
    ['/cr', 'has characters that are not allowed in a header'],
    ['/lf', 'has characters that are not allowed in a header'],
    ['/nul', 'has characters that are not allowed in a header'],
    ['/value', 'has 8193 bytes; a header value may have at most 8192'],
    ['/total', 'bytes of headers; one hook may write at most 65536'],
    ['/reply-lf', 'has characters that are not allowed in a header'],
    ['/reply-framing', 'the header "transfer-encoding" belongs to the gateway'],
    ['/first-sound', "declare writes: ['header:x-undeclared']"],
    ['/response', "declare writes: ['response.header:x-other']"],
  ]

  test('fail the hook, and each is counted', async () => {
    const { events, gateway, get } = await start()
    for (const [path, why] of refused) {
      events.length = 0
      const answer = await get(path, { 'x-known': 'k' })
      expect([path, answer.status]).toEqual([path, 500])
      const told = events.filter(({ type }) => type === 'refused')
      // Both policies have their onResponse, and what the first one did is replaced by the other's failure.
      expect(told.length).toBe(path === '/response' ? 2 : 1)
      expect(told[0]).toMatchObject({ plugin: 'careless', message: expect.stringContaining(why) as string })
    }
    const [stats] = gateway.snapshot.sandbox.stats()
    expect(stats!.refused).toBe(refused.length + 1)
  })

  test('what fits is written', async () => {
    const { events, get } = await start()
    const answer = await get('/fits')
    expect(answer.json<{ headers: Record<string, string> }>().headers['x-seen']).toBe('v'.repeat(4_000))
    expect(events.filter(({ type }) => type === 'refused')).toEqual([])
  })
})

test.each([
  ["writes: ['header:host'", 'the header "host" belongs to the gateway'],
  ["reads: ['body'", '"body" needs a size: body:prefix:<bytes>, body:buffer:<bytes> or body:optional:<bytes>'],
  [
    "reads: ['response.body'",
    '"response.body" needs a size: response.body:prefix:<bytes>, response.body:buffer:<bytes> or response.body:optional:<bytes>',
  ],
])('a plugin that declares %s] is not loaded', async (declared, why) => {
  const backend = await echoBackend()
  const config = httpConfig([backend.port], {
    routes: { all: { policies: ['p'] } },
    policies: { p: { plugin: 'greedy', options: {} } },
  })
  const list = declared.startsWith('reads') ? "reads: ['path'" : "writes: ['header:x-seen'"
  const greedy = careless.replace("name: 'careless'", "name: 'greedy'").replace(list, declared)
  const folder = gatewayFolder(config, { 'plugins/greedy/index.js': greedy })
  const checked = await checkConfig(join(folder, 'gateway.json'))
  expect(checked).toMatchObject({
    ok: false,
    problems: [{ message: expect.stringContaining(why) as string }],
  })
})
