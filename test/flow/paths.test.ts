import fc from 'fast-check'
import { expect, test } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { raw, send } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess } from '../helpers/gateway.ts'
import { answering } from '../http1/raw-backend.ts'

const judge = `import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'judge',
  reads: ['path'],
  onRequest({ request }) {
    if (request.path.startsWith('/admin/')) return reply(403, { title: 'not for you' })
  },
})
`
const guard = `import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'guard',
  when: { paths: ['/admin/*'] },
  onRequest: () => reply(403, { title: 'not for you' }),
})
`

const disputed = ['/x%2Fy', '/x;v=1', '//x', '/%7Ex', '/x%252Fy', '/caf%E9']

test.each(['upstream', 'route', 'listener'])(
  'a policy of the %s that reads the path judges only paths that have one interpretation',
  async (level) => {
    const backend = await echoBackend()
    const attached = { policies: ['judge'] }
    const config = (pathExceptions: string[]): Json =>
      httpConfig([backend.port], {
        listeners: { web: level === 'listener' ? attached : {} },
        routes: { all: { pathExceptions: [...pathExceptions], ...(level === 'route' ? attached : {}) } },
        upstreams: { app: level === 'upstream' ? attached : {} },
        policies: { judge: { plugin: 'judge' } },
      })
    const { port, reload, record } = await startInProcess(config([]), { 'plugins/judge/index.ts': judge })
    const status = async (path: string): Promise<number> => (await send(port('web'), path)).status
    expect(await status('/x/y')).toBe(200)
    expect(await status('/admin/x')).toBe(403)
    for (const path of [...disputed, '/admin%2Fx', '/%61dmin/x']) expect(await status(path), path).toBe(400)
    expect(await record(({ path }) => path === '/admin%2Fx')).toMatchObject({
      outcome: 'PN',
      cause:
        'the path may be read as "/admin/x", and policy "judge" judges it only as it was sent; a route takes it with "encoded-slash" in its "pathExceptions"',
    })
    await reload(config(['encoded-slash']))
    expect(await status('/x%2Fy')).toBe(200)
    expect(await status('/x;v=1')).toBe(400)
  },
)

test('a policy with paths in its trigger runs for every interpretation of a path, or for none', async () => {
  const backend = await echoBackend()
  const { port } = await startInProcess(
    httpConfig([backend.port], {
      routes: {
        all: { policies: ['guard'] },
        named: { listener: 'web', match: { host: 'named' }, upstream: 'app', policies: ['guard'] },
      },
      policies: { guard: { plugin: 'guard' } },
    }),
    { 'plugins/guard/index.ts': guard },
  )
  const status = async (path: string): Promise<number> => (await send(port('web'), path)).status
  for (const path of disputed) expect(await status(path), path).toBe(200)
  expect(await status('/admin/x%2Fy')).toBe(403)
  for (const path of ['/admin%2Fx', '//admin/x', '/admin;/x', '/%61dmin/x', '//h/admin/x']) {
    expect(await status(path), path).toBe(400)
  }
})

test('a policy of an upstream that only another policy can choose counts too', async () => {
  const backend = await echoBackend()
  const chooser = `import { definePlugin } from 'postern/sdk'
export default definePlugin({ name: 'chooser', writes: ['upstream'], onRequest({ request }) { request.useUpstream('other') } })
`
  const { port } = await startInProcess(
    httpConfig([backend.port], {
      routes: {
        all: { policies: ['chooser'] },
        free: { listener: 'web', match: { path: '/free/*' }, upstream: 'app' },
      },
      upstreams: {
        other: { backends: [{ address: `127.0.0.1:${backend.port}` }], health: false, policies: ['judge'] },
      },
      policies: { judge: { plugin: 'judge' }, chooser: { plugin: 'chooser' } },
    }),
    { 'plugins/judge/index.ts': judge, 'plugins/chooser/index.ts': chooser },
  )
  expect((await send(port('web'), '/a%2Fb')).status).toBe(400)
  expect((await send(port('web'), '/free/a%2Fb')).json()).toMatchObject({ url: '/free/a%2Fb' })
})

test('a redirect has only characters of a URL, and never leads to another host by the path', async () => {
  const { port } = await startInProcess({
    listeners: { web: { address: '127.0.0.1', port: 0 } },
    routes: {
      whole: { listener: 'web', match: { host: 'a' }, reply: { redirect: 'https://{host}{path}{query}' } },
      slash: { listener: 'web', match: { host: 'c' }, reply: { redirect: '/{path}' } },
      path: { listener: 'web', reply: { redirect: '{path}{query}' } },
    },
    upstreams: {},
  })
  const location = async (path: string, host = 'a'): Promise<string | undefined> => {
    const text = await raw(port('web'), `GET ${path} HTTP/1.0\r\nHost: ${host}\r\n\r\n`)
    return /^location: (.*)\r$/m.exec(text)?.[1]
  }
  expect(await location('/a%20b?c=d')).toBe('https://a/a%20b?c=d')
  expect(await location('/{"<>^`|}?{')).toBe('https://a/%7B%22%3C%3E%5E%60%7C%7D?%7B')
  expect(await location('/caf\xe9?q=\xc3\xa9')).toBe('https://a/caf%E9?q=%C3%A9')
  expect(await location('//evil.org/x', 'b')).toBe('/evil.org/x')
  expect(await location('/evil.org/x', 'c')).toBe('/evil.org/x')
  expect(await location('//evil.org/x')).toBe('https://a//evil.org/x')
})

test('a redirect that needs a host is refused to a client that names none', async () => {
  const { port, record } = await startInProcess({
    listeners: { web: { address: '127.0.0.1', port: 0 } },
    routes: { all: { listener: 'web', reply: { redirect: 'https://{host}/' } } },
    upstreams: {},
  })
  expect(await raw(port('web'), 'GET / HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
  expect(await record(({ msg }) => msg === 'request')).toMatchObject({
    cause: 'the request names no host, which the redirect of its route needs',
  })
})

test('the record of what no route takes names the method and what nearly matched', async () => {
  const backend = await echoBackend()
  const { port, record } = await startInProcess(
    httpConfig([backend.port], {
      routes: {
        all: { match: { path: '/shop/*' } },
        post: { listener: 'web', match: { path: '/x', methods: ['POST', 'PUT'] }, upstream: 'app' },
      },
    }),
  )
  const cause = async (path: string, status: number): Promise<unknown> => {
    const answer = await send(port('web'), path, { headers: { host: 'a' } })
    expect(answer.status).toBe(status)
    if (status === 405) expect(answer.headers.allow).toBe('POST, PUT')
    return (await record((line) => line.msg === 'request' && line.path === path)).cause
  }
  expect(await cause('/x', 405)).toBe('no route for GET a/x; route "post" takes POST, PUT there')
  expect(await cause('/shop', 404)).toBe(
    'no route for GET a/shop; route "all" has "/shop/*", which does not include "/shop"',
  )
  expect(await cause('/other', 404)).toBe('no route for GET a/other')
})

test('the record of a refused request shows its path as it was sent, cut and without the query', async () => {
  const backend = await echoBackend()
  const { port, log } = await startInProcess(httpConfig([backend.port]))
  const recordOf = async (request: string): Promise<unknown> => {
    const before = log.length
    await raw(port('web'), request)
    await expect.poll(() => log.length).toBeGreaterThan(before)
    return log[before]
  }
  const record = { msg: 'request', method: 'GET' }
  expect(await recordOf('GET /a/../b?secret HTTP/1.0\r\nHost: B:80\r\n\r\n')).toMatchObject({
    ...record,
    outcome: 'PN',
    host: 'b',
    path: '/a/../b',
  })
  expect(await recordOf('GET /%GG?secret HTTP/1.0\r\nHost: a@b\r\n\r\n')).toMatchObject({
    ...record,
    outcome: 'DPE',
    host: '',
    path: '/%GG',
  })
  expect(await recordOf(`GET /${'a'.repeat(400)}?secret HTTP/1.0\r\nHost : a\r\n\r\n`)).toMatchObject({
    ...record,
    outcome: 'DPE',
    path: `/${'a'.repeat(255)}`,
  })
  expect(await recordOf('GET http://user:secret@a/b?secret HTTP/1.1\r\nHost: a\r\n\r\n')).toMatchObject({
    ...record,
    outcome: 'DPE',
    path: 'http://a/b',
  })
  expect(await recordOf('\x16\x03\x01\x02 secret')).toMatchObject({ msg: 'request', outcome: 'DPE' })
  expect(JSON.stringify(log)).not.toContain('secret')
})

test('an upgrade is offered to routes, and what Connection names is not', async () => {
  const backend = await echoBackend()
  const { port } = await startInProcess(
    httpConfig([backend.port], {
      routes: {
        socket: { listener: 'web', match: { headers: { upgrade: 'websocket' } }, reply: { body: 'socket' } },
        inner: { listener: 'web', match: { headers: { 'x-inner': '*' } }, reply: { body: 'inner' } },
      },
    }),
  )
  const ask = (...lines: string[]): Promise<string> =>
    raw(port('web'), ['GET / HTTP/1.1', 'Host: a', ...lines, '', ''].join('\r\n'))
  expect(await ask('Connection: close, upgrade', 'Upgrade: websocket')).toMatch(/socket$/)
  expect(await ask('Connection: close', 'X-Inner: 1')).toMatch(/inner$/)
  expect(await ask('Connection: close, x-inner', 'X-Inner: 1')).toContain('"url":"/"')
})

test('whatever bytes a path has, it reaches the backend as it came or is refused', async () => {
  const backend = await answering('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
  const { port, log } = await startInProcess(
    httpConfig([backend.port], {
      routes: {
        all: { policies: ['guard'] },
        other: { listener: 'web', match: { path: '/other/*' }, reply: { status: 403 } },
      },
      policies: { guard: { plugin: 'guard' } },
    }),
    { 'plugins/guard/index.ts': guard },
  )
  const byte = fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code))
  const piece = fc.constantFrom(
    '/',
    '//',
    '%2F',
    '%E9',
    '%C3%A9',
    ';',
    '%',
    '%25',
    '..',
    '%2e',
    'other',
    'admin',
    '?',
    'a',
  )
  const path = fc.array(fc.oneof(byte, piece), { maxLength: 8 }).map((parts) => `/${parts.join('')}`)
  let taken = 0
  await fc.assert(
    fc.asyncProperty(path, async (one) => {
      const before = backend.seen.length
      const answer = await raw(port('web'), `GET ${one} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
      const status = Number(answer.slice(9, 12))
      expect([200, 400, 403]).toContain(status)
      if (status !== 200) return
      taken++
      expect(backend.seen.slice(before).map((text) => text.split(' ')[1])).toEqual([one])
    }),
    { numRuns: 300 },
  )
  expect(taken).toBeGreaterThan(10)
  expect(log.filter(({ outcome }) => outcome === 'GE')).toEqual([])
})
