import { describe, expect, test } from 'vitest'
import { httpBackend } from '../helpers/backend.ts'
import { open, raw, send } from '../helpers/client.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { answering, collect, ok } from '../http1/raw-backend.ts'
import { reset } from '../http1/transport.ts'
import type { Case } from './case.ts'
import { runCase } from './run-case.ts'
import { shareStages } from './shared-stage.ts'
import { emptied, get, head, malformed, own, refusal } from './text.ts'

const ask = head('GET / HTTP/1.1', 'Host: a')
const upgrade = ['Connection: Upgrade', 'Upgrade: websocket']
const asked = '\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'

const deny = { plugin: 'ip-restriction', options: { allow: ['192.0.2.0/24'] } }

const route = (
  path: string,
  pathExceptions: string[] = [],
): { [name: string]: string | string[] | { path: string } } => ({
  listener: 'web',
  match: { path },
  upstream: 'app',
  pathExceptions,
})
const reply = (path: string): { [name: string]: string | { path: string } | { status: number } } => ({
  listener: 'web',
  match: { path },
  reply: { status: 403 },
})

const reports: (Case & { id: string })[] = [
  ...['/app/%2e%2e/admin', '/app/..%2fadmin', '/app/%2e%2e%2fadmin', '/app/..%5cadmin', '/app/%252e%252e/admin'].map(
    (path) => ({
      id: 'GHSA-2q7r-29rg-6m5h',
      what: `a prefix is left by encoded dots: ${path}`,
      config: {
        routes: {
          all: {
            match: { path: '/app/*' },
            pathExceptions: [
              'encoded-slash',
              'encoded-unreserved',
              'encoded-backslash',
              'double-encoding',
              'dot-segment',
            ],
          },
        },
      },
      client: head(`GET ${path} HTTP/1.1`, 'Host: a'),
      seen: [],
      got: refusal('PN'),
    }),
  ),
  {
    id: 'CVE-2026-33805',
    what: 'the client names fields of the proxy in Connection',
    client: head(
      'GET / HTTP/1.1',
      'Host: a',
      'Connection: close, X-Forwarded-For, X-Real-IP, X-Request-Id, Via, Host, Content-Length',
    ),
    seen: [get('/')],
    got: emptied.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'),
    end: 'fin',
  },
  ...['api.example.com.evil.org', 'xapi.example.com', 'evil.org/api.example.com', 'api.example.com@evil.org'].map(
    (host) => ({
      id: 'CVE-2026-55602',
      what: `a host that only looks like one of a route: ${host}`,
      config: { routes: { all: { match: { host: 'api.example.com' } } } },
      client: head('GET / HTTP/1.1', `Host: ${host}`),
      seen: [],
      got: refusal(/[/@]/.test(host) ? 'DPE' : 'NR'),
      end: /[/@]/.test(host) ? ('fin' as const) : ('open' as const),
    }),
  ),
  {
    id: 'CVE-2026-55603',
    what: 'a body is never rebuilt: CR and LF in it are bytes like others',
    client: `${head('POST / HTTP/1.1', 'Host: a', 'Content-Type: application/x-www-form-urlencoded', 'Content-Length: 39')}a=1\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n`,
    seen: [
      `${head('POST / HTTP/1.1', 'Host: a', 'Content-Type: application/x-www-form-urlencoded', ...own('a'), 'Content-Length: 39')}a=1\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n`,
    ],
    got: emptied,
  },
  {
    id: 'CVE-2026-25223, CVE-2026-3419, CVE-2026-33806, CVE-2025-32442',
    what: 'Content-Type is nobody’s here: it goes on as it came',
    client: `${head('POST / HTTP/1.1', 'Host: a', 'Content-Type: application/json\t; charset=x', 'content-type:text/plain;a', 'Content-Length: 2')}{}`,
    seen: [
      `${head('POST / HTTP/1.1', 'Host: a', 'Content-Type: application/json\t; charset=x', 'content-type: text/plain;a', ...own('a'), 'Content-Length: 2')}{}`,
    ],
    got: emptied,
  },
  {
    id: 'CVE-2026-3635',
    what: 'only who is in trustedProxies is believed, not who says so',
    config: { listeners: { web: { trustedProxies: ['10.0.0.0/8'] } } },
    client: head(
      'GET / HTTP/1.1',
      'Host: a',
      'X-Forwarded-For: 10.0.0.1',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: b',
    ),
    seen: [get('/')],
    got: emptied,
  },
  ...['Content-Length: 5\r\ncontent-length: 6', 'Content-Length: 5\r\nCONTENT-LENGTH: 5'].map((lines) => ({
    id: 'CVE-2026-1525',
    what: `Content-Length in case variants: ${JSON.stringify(lines)}`,
    client: head('POST / HTTP/1.1', 'Host: a', lines),
    seen: [],
    got: malformed(),
    end: 'fin' as const,
  })),
  {
    id: 'CVE-2026-1525',
    what: 'Content-Length in case variants of a response',
    client: ask,
    backend: [`${head('HTTP/1.1 200 OK', 'Content-Length: 2', 'content-length: 5')}ok`],
    seen: [get('/')],
    got: refusal('UPE'),
  },
  {
    id: 'GHSA-35p6-xmwp-9g52',
    what: 'what a backend sends ahead is not the answer to the next client',
    client: ask,
    later: [{ after: 'date', send: head('GET /2 HTTP/1.1', 'Host: a') }],
    backend: [
      head('HTTP/1.1 204 No Content') + head('HTTP/1.1 200 OK', 'X-Evil: 1', 'Content-Length: 0'),
      head('HTTP/1.1 204 No Content'),
    ],
    seen: [get('/'), get('/2')],
    got: head('HTTP/1.1 204 No Content', 'via: 1.1 {gateway}', 'date: {date}').repeat(2),
  },
  {
    id: '__proto__',
    what: 'a header of that name is a header',
    config: { listeners: { web: { underscores: 'pass' } } },
    client: head('GET / HTTP/1.1', 'Host: a', '__proto__: 1', 'constructor: 2'),
    seen: [get('/', '__proto__: 1', 'constructor: 2')],
    got: emptied,
  },
  {
    id: 'HashDoS',
    what: 'names are a list and bounded',
    client: head('GET / HTTP/1.1', 'Host: a', ...Array.from({ length: 200 }, (_, index) => `x-${index}: 1`)),
    seen: [],
    got: malformed(431),
    end: 'fin',
  },
  {
    id: 'CVE-2024-23326',
    what: 'a 200 to an upgrade is no tunnel',
    config: { listeners: { web: { underscores: 'refuse' } } },
    client: head('GET / HTTP/1.1', 'Host: a', ...upgrade) + head('GET /2 HTTP/1.1', 'Host: a', 'X_Admin: 1'),
    seen: [get('/').replace('\r\n\r\n', asked)],
    got: emptied + refusal('DPE', { detail: 'a header name with an underscore is not accepted' }),
    end: 'fin',
  },
  ...['/api../admin', '/api..%2fadmin', '/api/../admin'].map((path) => ({
    id: 'CVE-2026-48020',
    what: `a prefix ends at a slash: ${path}`,
    config: { routes: { all: route('/api/*', ['dot-segment', 'encoded-slash']), admin: reply('/admin') } },
    client: head(`GET ${path} HTTP/1.1`, 'Host: a'),
    seen: [],
    got: refusal(path === '/api/../admin' ? 'PN' : 'NR'),
  })),
  {
    id: 'CVE-2026-39858',
    what: 'aliases of trusted headers, also where underscores pass',
    config: { listeners: { web: { underscores: 'pass' } } },
    client: head(
      'GET / HTTP/1.1',
      'Host: a',
      'X_Forwarded_For: 6.6.6.6',
      'X-Real_IP: 6.6.6.6',
      'X_Forwarded-Proto: https',
    ),
    seen: [get('/')],
    got: emptied,
  },
  {
    id: 'CVE-2022-32213, CVE-2022-32215',
    what: 'Transfer-Encoding that two parsers read differently',
    client: head('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', ' , identity'),
    seen: [],
    got: malformed(),
    end: 'fin',
  },
  {
    id: 'CVE-2024-22019',
    what: 'chunk extensions without end',
    client: `${head('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked')}1;${'a'.repeat(50_000)}`,
    seen: [],
    got: malformed(),
    end: 'fin',
  },
]

describe('reports against others', () => {
  const stageFor = shareStages()
  for (const one of reports) {
    test(`${one.id}: ${one.what}`, async () => {
      await runCase(one, await stageFor(one, 'h1'))
    })
  }

  test('CVE-2026-44578: an upgrade passes the policies like any request', async () => {
    const backend = await answering(ok)
    const config = httpConfig([backend.port], {
      routes: { all: { policies: ['deny'] } },
      policies: { deny },
    })
    const { port } = await startInProcess(config)
    const text = await raw(
      port('web'),
      head('GET / HTTP/1.1', 'Host: a', 'Connection: close, upgrade', 'Upgrade: websocket'),
    )
    expect(text).toMatch(/^HTTP\/1\.1 403 /)
    expect(backend.seen).toEqual([])
  })

  test('GHSA-v574-6498-x57v: connections of two upstreams are never mixed up, whatever these are called', async () => {
    const [one, two] = [
      await httpBackend((_, answer) => void answer.end('one')),
      await httpBackend((_, answer) => void answer.end('two')),
    ]
    const backends = (port: number) => ({ backends: [{ address: `127.0.0.1:${port}` }], health: false })
    const { port } = await startInProcess({
      listeners: { web: { address: '127.0.0.1', port: 0 } },
      routes: {
        one: { listener: 'web', match: { host: 'a' }, upstream: 'a.b' },
        two: { listener: 'web', match: { host: 'b' }, upstream: 'a' },
      },
      upstreams: { 'a.b': backends(one.port), a: backends(two.port) },
    })
    for (const [host, body] of [
      ['a', 'one'],
      ['b', 'two'],
      ['a', 'one'],
    ] as const) {
      expect((await send(port('web'), '/', { headers: { host } })).body).toBe(body)
    }
  })

  test('CVE-2024-21536, CVE-2026-26311: a client that resets in the middle ends its request and nothing else', async () => {
    const backend = await answering('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf')
    const { port, record, gateway } = await startInProcess(httpConfig([backend.port]))
    const client = await open(port('web'))
    const got = collect(client)
    client.write(ask)
    await until('half of it', () => got.text.endsWith('half'))
    reset(client)
    expect(await record(({ msg }) => msg === 'request')).toMatchObject({ outcome: 'DC' })
    await until('nothing left', () => gateway.active === 0 && backend.sockets.size === 0)
  })
})
