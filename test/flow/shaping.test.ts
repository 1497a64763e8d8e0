import { expect, test } from 'vitest'
import { httpBackend } from '../helpers/backend.ts'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { rawBackend } from '../http1/raw-backend.ts'
import { accessRecord, exchange } from './wire.ts'

/** A backend that answers with the head that it got, and `fields` of its own. */
async function echo(fields = ''): Promise<{ port: number; seen: readonly string[] }> {
  return rawBackend((socket, seen) => {
    if (!seen.endsWith('\r\n\r\n')) return
    const head = seen.slice(seen.lastIndexOf('\r\n\r\n', seen.length - 5) + 1).trimStart()
    socket.write(`HTTP/1.1 200 OK\r\n${fields}content-length: ${head.length}\r\n\r\n${head}`)
  })
}

async function ask(gateway: TestGateway, target: string, fields = ''): Promise<string> {
  const request = `GET ${target} HTTP/1.1\r\nhost: shop.example\r\n${fields}connection: close\r\n\r\n`
  return (await exchange(gateway.port('web'), request, /\r\n\r\n/)).text
}

function config(
  ports: readonly number[],
  route: { [key: string]: Json },
  more: { [section: string]: { [name: string]: Json } } = {},
): Json {
  return httpConfig([...ports], { routes: { all: route }, ...more })
}

test('a route rewrites the target, the Host and headers of what goes upstream, and headers of the response', async () => {
  const backend = await echo('server: x\r\nset-cookie: a=1; Path=/v2/u\r\nlocation: /v2/u/7\r\n')
  const gateway = await startInProcess(
    config([backend.port], {
      match: { path: '/api/users/{id}/*' },
      rewrite: {
        stripPrefix: '/api/users',
        addPrefix: '/v2/u',
        query: { set: { id: '{capture:id}' } },
        host: 'backend',
      },
      headers: {
        request: {
          set: { 'X-User': '{capture:id} of {host}', 'X-Real-IP': '203.0.113.9', 'x-none': '{header:x-absent}' },
          append: { 'x-more': '2' },
          remove: ['cookie'],
        },
        response: { set: { 'x-id': '{capture:id}', 'x-status': '{status}' }, remove: ['server'] },
      },
    }),
  )
  const answer = await ask(gateway, '/api/users/7/a?x=1&id=2', 'cookie: s=1\r\nx-more: 1\r\nx-user: mallory\r\n')
  const [head = '', sent = ''] = answer.split(/\r\n\r\n(?=GET)/)
  expect(sent).toMatch(/^GET \/v2\/u\/7\/a\?x=1&id=7 HTTP\/1\.1\r\n/)
  expect(sent).toContain(`host: 127.0.0.1:${backend.port}\r\n`)
  expect(sent).toContain('x-user: 7 of shop.example\r\n')
  expect(sent.match(/x-real-ip: .*/g)).toEqual(['x-real-ip: 203.0.113.9'])
  expect(sent.match(/x-more: .*/g)).toEqual(['x-more: 1', 'x-more: 2'])
  expect(sent).toContain('x-none: \r\n')
  expect(sent).toContain('x-forwarded-host: shop.example\r\n')
  expect(sent).not.toMatch(/cookie|mallory/)
  expect(head).toMatch(/x-id: 7\r\n/)
  expect(head).toMatch(/x-status: 200\r\n/)
  expect(head).toMatch(/location: \/api\/users\/7\r\n/i)
  expect(head).toMatch(/set-cookie: a=1; Path=\/api\/users\r\n/i)
  expect(head).not.toMatch(/^server:/im)
  expect(await accessRecord(gateway)).toMatchObject({ path: '/api/users/7/a', host: 'shop.example', status: 200 })
})

test('a value that would lead elsewhere is refused, and no backend hears of it', async () => {
  const backend = await echo()
  const gateway = await startInProcess(
    config([backend.port], {
      rewrite: { path: '/t/{header:x-t}/{query:q}' },
      headers: { request: { set: { 'x-q': '{query:q}' } } },
    }),
  )
  for (const [target, fields] of [
    ['/?q=a', 'x-t: ../admin\r\n'],
    ['/?q=a', 'x-t: %2e%2e/x\r\n'],
    ['/?q=%2e%2e', 'x-t: a\r\n'],
    ['/?q=a%0d%0ax-evil:%201', 'x-t: a\r\n'],
    ['/?q=a%00', 'x-t: a\r\n'],
  ] as const) {
    expect(await ask(gateway, target, fields), target + fields).toMatch(/^HTTP\/1\.1 400 /)
  }
  expect(backend.seen.join('')).toBe('')
  expect(await ask(gateway, '/?q=a', 'x-t: b\r\n')).toContain('GET /t/b/a?q=a HTTP/1.1')
})

test('policies see what the client sent, before and after', async () => {
  const backend = await echo('location: http://app.internal/v2/x\r\n')
  const policy = `
    import { definePlugin } from 'postern/sdk'
    export default definePlugin({
      name: 'observer',
      reads: ['path', 'header:host', 'response.header:location'],
      writes: ['response.header:x-seen'],
      onResponse({ request, response }) {
        response.setHeader('x-seen', [request.path, request.header('host'), response.header('location')].join(' '))
      },
    })`
  const gateway = await startInProcess(
    config(
      [backend.port],
      {
        match: { path: '/api/*' },
        rewrite: { stripPrefix: '/api', addPrefix: '/v2', host: 'app.internal' },
        policies: ['observe'],
      },
      { policies: { observe: { plugin: 'observer', onFailure: 'reject' } } },
    ),
    { 'plugins/observer/index.ts': policy },
  )
  const answer = await ask(gateway, '/api/x')
  expect(answer).toContain('host: app.internal\r\n')
  expect(answer).toMatch(/x-seen: \/api\/x shop\.example http:\/\/shop\.example\/api\/x\r\n/i)
})

test('each attempt has the Host of its backend', async () => {
  const busy = await httpBackend((_, response) => void response.writeHead(503).end())
  const backend = await echo()
  const more = { upstreams: { app: { retry: { on: [503] } } } }
  const gateway = await startInProcess(config([busy.port, backend.port], { rewrite: { host: 'backend' } }, more))
  expect(await ask(gateway, '/')).toContain(`host: 127.0.0.1:${backend.port}\r\n`)
})

test('a redirect has captures and key expressions', async () => {
  const gateway = await startInProcess({
    listeners: { web: { address: '127.0.0.1', port: 0 } },
    routes: {
      all: {
        listener: 'web',
        match: { path: '/old/{id}/*' },
        reply: { redirect: '{scheme}://{host}/new/{capture:rest}?id={capture:id}&q={query:q}' },
      },
    },
  })
  const answer = await ask(gateway, '/old/7/a/b?q=%0d%0a%26')
  expect(answer).toMatch(/location: http:\/\/shop\.example\/new\/a\/b\?id=7&q=%0D%0A%26\r\n/i)
})

test('the Host of an attempt is not that of the one before, if the client named the second backend', async () => {
  const busy = await httpBackend((_, response) => void response.writeHead(503).end())
  const backend = await echo()
  const more = { upstreams: { app: { retry: { on: [503] } } } }
  const gateway = await startInProcess(config([busy.port, backend.port], { rewrite: { host: 'backend' } }, more))
  const own = `127.0.0.1:${backend.port}`
  const { text } = await exchange(gateway.port('web'), `GET / HTTP/1.1\r\nhost: ${own}\r\n\r\n`, /\r\n\r\nGET/)
  expect(text.match(/^host: .*/gm)).toEqual([`host: ${own}`])
})

const edits = { request: { set: { 'x-user': 'known' }, remove: ['x-role'] }, response: { remove: ['x-internal'] } }

test('what a route removes or sets comes neither in trailers nor with underscores', async () => {
  const backend = await rawBackend((socket, seen) => {
    const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-internal: 1\r\nx-sum: 2\r\n\r\n'
    if (seen.endsWith('x-sum: 1\r\n\r\n')) socket.write(chunked)
  })
  const gateway = await startInProcess(config([backend.port], { headers: edits }))
  const head = 'POST / HTTP/1.1\r\nhost: h\r\nx_role: admin\r\nX_User: mallory\r\ntransfer-encoding: chunked\r\n\r\n'
  const trailers = 'x-user: mallory\r\nx-role: admin\r\nx-sum: 1\r\n\r\n'
  const { text } = await exchange(gateway.port('web'), `${head}0\r\n${trailers}`, 'x-sum: 2\r\n\r\n')
  const seen = backend.seen.join()
  expect(seen).toContain('x-user: known\r\n')
  expect(seen).not.toMatch(/mallory|role/i)
  expect(text).not.toContain('x-internal')
})
