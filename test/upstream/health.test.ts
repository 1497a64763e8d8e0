import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { HealthConfig } from '../../core/config/types.ts'
import { Backend } from '../../core/upstream/backend.ts'
import { HealthCheck, type HealthListener } from '../../core/upstream/health.ts'
import { backendConfig, healthConfig } from './configs.ts'
import { listen, until } from './sockets.ts'

const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

/** A backend whose answer can be changed. */
async function application(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const app = {
    answer,
    probes: 0,
    headers: {} as IncomingMessage['headers'],
    port: 0,
    server: undefined as never as Server,
  }
  app.server = createServer((request, response) => {
    app.probes++
    app.headers = request.headers
    app.answer(request, response)
  })
  app.port = await listen(app.server)
  endings.push(() => {
    app.server.closeAllConnections()
    return new Promise((resolve) => app.server.close(resolve))
  })
  return app
}

function watch(port: number, health: Partial<HealthConfig>) {
  const backend = new Backend('app', backendConfig(`127.0.0.1:${port}`))
  const changes: [healthy: boolean, why: string][] = []
  const onHealth: HealthListener = (_, healthy, why) => changes.push([healthy, why])
  const check = new HealthCheck(backend, healthConfig(health), { onHealth })
  endings.push(() => check.stop())
  return { backend, changes, check }
}

const status = (code: number) => (_: IncomingMessage, response: ServerResponse) => response.writeHead(code).end('body')

test('takes a backend down after `fall` bad answers and up after `rise` good ones', async () => {
  const app = await application(status(200))
  const { backend, changes } = watch(app.port, { path: '/healthz', rise: 3, fall: 2 })
  await until(() => app.probes >= 3)
  expect(changes).toEqual([])
  expect(app.headers).toMatchObject({
    host: backend.address,
    'user-agent': 'postern-health',
    connection: 'close',
  })

  // What it was when each answer went out.
  const bad: boolean[] = []
  app.answer = (_, response) => {
    bad.push(backend.healthy)
    response.writeHead(503).end()
  }
  await until(() => bad.length >= 3)
  expect(bad.slice(0, 3)).toEqual([true, true, false])

  const good: boolean[] = []
  app.answer = (_, response) => {
    good.push(backend.healthy)
    response.writeHead(204).end()
  }
  await until(() => good.length >= 4)
  expect(good.slice(0, 4)).toEqual([false, false, false, true])
  expect(changes).toEqual([
    [false, 'GET /healthz answered 503'],
    [true, 'GET /healthz answered 204'],
  ])
})

test('asks with the host, the method and the headers that it is given', async () => {
  const app = await application((request, response) => {
    const { host, authorization } = request.headers
    const isRight = request.method === 'HEAD' && host === 'shop.example' && authorization === 'Bearer probe'
    response.writeHead(isRight ? 200 : 400).end()
  })
  const headers = { authorization: 'Bearer probe', 'user-agent': 'ours' }
  const { backend } = watch(app.port, { path: '/', host: 'shop.example', method: 'HEAD', headers, fall: 1 })
  await until(() => app.probes >= 2)
  expect(backend.healthy).toBe(true)
  expect(app.headers).toMatchObject({ 'user-agent': 'ours', accept: '*/*', connection: 'close' })
  const { backend: other, changes } = watch(app.port, { path: '/', method: 'HEAD', fall: 1 })
  await until(() => !other.healthy)
  expect(changes).toEqual([[false, 'HEAD / answered 400']])
})

test('bad answers that are not in a row do not count', async () => {
  const app = await application((_, response) => response.writeHead(app.probes % 2 ? 500 : 200).end())
  const { backend, changes } = watch(app.port, { path: '/', fall: 2 })
  await until(() => app.probes >= 10)
  expect([backend.healthy, changes]).toEqual([true, []])
})

test('port open, application dead: a connect is content, a GET ejects', async () => {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => sockets.add(socket.on('error', () => {})))
  const port = await listen(server)
  endings.push(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  const connects = watch(port, {})
  const gets = watch(port, { path: '/healthz', timeout: 50 })
  await until(() => !gets.backend.healthy)
  await until(() => sockets.size > 10)
  expect(connects.backend.healthy).toBe(true)
  expect(gets.changes).toEqual([[false, 'no response within 50 ms']])
})

test('a connect that is refused ejects, and brings back once it is not', async () => {
  const first = createTcpServer()
  const port = await listen(first)
  first.close()
  await once(first, 'close')
  const { backend, changes } = watch(port, {})
  await until(() => !backend.healthy)
  expect(changes[0]![1]).toBe('cannot connect: ECONNREFUSED')
  const second = createTcpServer((socket) => socket.on('error', () => {}).resume())
  second.listen(port, '127.0.0.1')
  endings.push(() => new Promise((resolve) => second.close(resolve)))
  await until(() => backend.healthy)
})

test.each([
  { answer: 301, expected: undefined, healthy: true },
  { answer: 404, expected: undefined, healthy: false },
  { answer: 200, expected: 204, healthy: false },
  { answer: 418, expected: 418, healthy: true },
])('status $answer where $expected is expected: healthy is $healthy', async ({ answer, expected, healthy }) => {
  const app = await application(status(answer))
  const { backend } = watch(app.port, { path: '/', fall: 1, ...(expected !== undefined && { status: expected }) })
  await until(() => app.probes >= 2)
  expect(backend.healthy).toBe(healthy)
})

test('an endless body is cut off and a stalled one waits no longer than the timeout', async () => {
  let cut = 0
  const app = await application((_, response) => {
    response.on('close', () => cut++)
    const pour = () => {
      if (!response.destroyed) response.write(Buffer.alloc(16 * 1024), () => setImmediate(pour))
    }
    pour()
  })
  const { backend } = watch(app.port, { path: '/', timeout: 5_000 })
  await until(() => cut >= 2)
  app.answer = (_, response) => response.writeHead(200).write('some')
  const stalled = watch(app.port, { path: '/', timeout: 20 })
  const before = app.probes
  await until(() => app.probes > before + 4)
  expect([backend.healthy, stalled.backend.healthy]).toEqual([true, true])
})

test('a 101 is not a healthy answer to a probe', async () => {
  const app = await application(status(200))
  app.server.removeAllListeners('request')
  app.server.on('connection', (socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n')
  })
  const { backend } = watch(app.port, { path: '/' })
  await until(() => !backend.healthy)
})

test('a path that cannot be sent is unhealthy, not a crash', async () => {
  const { backend, changes } = watch(1, { path: '/a b' })
  await until(() => !backend.healthy)
  expect(changes[0]![1]).toContain('unescaped')
})

test('probes of one backend never overlap', async () => {
  let open = 0
  let most = 0
  const app = await application((_, response) => {
    most = Math.max(most, ++open)
    response.on('close', () => open--)
    setTimeout(() => response.end(), 30)
  })
  watch(app.port, { path: '/', interval: 1 })
  await until(() => app.probes >= 4)
  expect(most).toBe(1)
})

test('stop leaves no socket behind, and no listener is called afterwards', async () => {
  const app = await application(() => {})
  let open = 0
  app.server.on('connection', (socket) => {
    open++
    socket.on('close', () => open--)
  })
  const { changes, check } = watch(app.port, { path: '/', fall: 1 })
  await until(() => app.probes === 1)
  expect(open).toBe(1)
  check.stop()
  await until(() => open === 0)
  // Another backend's probes show that time has passed.
  const other = watch(app.port, { path: '/', timeout: 20, fall: 2 })
  await until(() => !other.backend.healthy)
  expect(changes).toEqual([])
})
