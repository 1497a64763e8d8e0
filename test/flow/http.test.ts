import { createHash, randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { describe, expect, it } from 'vitest'
import { deadPort, echoBackend, httpBackend, tcpBackend } from '../helpers/backend.ts'
import { drained, open, raw, send } from '../helpers/client.ts'
import { httpConfig, startGateway, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

describe('an http listener', () => {
  it('forwards method, target, fields and body, and the answer back', async () => {
    const backend = await echoBackend()
    const { port, record } = await startInProcess(httpConfig([backend.port]))
    const answer = await send(port('web'), '/a/b?c=%20d', { method: 'POST', headers: { 'x-one': '1' }, body: 'hello' })
    expect(answer.status).toBe(200)
    expect(answer.headers['x-backend']).toBe('app')
    const seen = answer.json()
    expect(seen).toMatchObject({ method: 'POST', url: '/a/b?c=%20d', body: 'hello', headers: { 'x-one': '1' } })
    const logged = await record((line) => line.msg === 'request')
    expect(logged).toMatchObject({
      listener: 'web',
      route: 'all',
      upstream: 'app',
      status: 200,
      outcome: '',
      bytesIn: 5,
    })
    expect(logged.phases).toHaveProperty('head')
  })

  it('routes by path and by host', async () => {
    const [one, two, three] = [await echoBackend('one'), await echoBackend('two'), await echoBackend('three')]
    const upstream = (port: number) => ({ backends: [{ address: `127.0.0.1:${port}` }], health: false })
    const { port } = await startInProcess({
      listeners: { web: { address: '127.0.0.1', port: 0 } },
      routes: {
        one: { listener: 'web', match: { path: '/one/*' }, upstream: 'one' },
        two: { listener: 'web', upstream: 'two' },
        three: { listener: 'web', match: { host: 'three.example' }, upstream: 'three' },
      },
      upstreams: { one: upstream(one.port), two: upstream(two.port), three: upstream(three.port) },
    })
    const name = async (path: string, host?: string): Promise<unknown> =>
      (await send(port('web'), path, host === undefined ? {} : { headers: { host } })).headers['x-backend']
    expect(await name('/one/x')).toBe('one')
    expect(await name('/other')).toBe('two')
    expect(await name('/one/x', 'three.example')).toBe('three')
  })

  it('replies by itself where a route says so', async () => {
    const { port } = await startInProcess({
      listeners: { web: { address: '127.0.0.1', port: 0 } },
      routes: {
        'to-https': { listener: 'web', reply: { redirect: 'https://{host}{path}{query}', status: 301 } },
        hello: { listener: 'web', match: { path: '/hello' }, reply: { status: 200, body: 'hello' } },
      },
      upstreams: {},
    })
    const redirected = await send(port('web'), '/a?b=c', { headers: { host: 'example.com' } })
    expect(redirected.status).toBe(301)
    expect(redirected.headers.location).toBe('https://example.com/a?b=c')
    expect((await send(port('web'), '/hello')).body).toBe('hello')
  })

  it('answers 404 as problem+json for an unknown route', async () => {
    const { port, record } = await startInProcess(httpConfig([1], { routes: { all: { match: { path: '/known' } } } }))
    const answer = await send(port('web'), '/unknown')
    expect(answer.status).toBe(404)
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(answer.headers['proxy-status']).toContain('postern; error=')
    expect(answer.json()).toMatchObject({ status: 404, title: 'no route matches' })
    expect(await record((line) => line.msg === 'request')).toMatchObject({ outcome: 'NR', status: 404 })
  })

  it.each([
    ['a malformed request line', 'GET\r\n\r\n', 400],
    ['a request without a host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['two hosts', 'GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n', 400],
    ['a path that climbs', 'GET /a/%2e%2e/b HTTP/1.1\r\nhost: a\r\n\r\n', 400],
    ['an oversized head', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`, 431],
  ])('refuses %s before it reaches a backend', async (_what, bytes, status) => {
    let reached = 0
    const backend = await httpBackend((_request, response) => {
      reached++
      response.end()
    })
    const { port, record } = await startInProcess(httpConfig([backend.port]))
    const socket = await open(port('web'))
    const answer = drained(socket)
    socket.end(bytes, 'latin1')
    const text = await answer
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(text.toLowerCase()).toContain('content-type: application/problem+json')
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4))).toMatchObject({ status })
    expect((await record((line) => line.msg === 'request')).status).toBe(status)
    expect(reached).toBe(0)
  })

  it('strips hop-by-hop fields both ways and overwrites forwarding fields', async () => {
    const backend = await httpBackend((request, response) => {
      response.setHeader('connection', 'x-secret-hop')
      response.setHeader('x-secret-hop', '1')
      response.end(JSON.stringify(request.headers))
    })
    const { port } = await startInProcess(httpConfig([backend.port]))
    const answer = await send(port('web'), '/', {
      headers: {
        host: 'shop.example:8080',
        connection: 'close, x-named',
        'x-named': '1',
        'x-forwarded-for': '9.9.9.9',
        'x-real-ip': '9.9.9.9',
        forwarded: 'for=9.9.9.9',
        te: 'gzip',
      },
    })
    const seen = answer.json()
    expect(seen).not.toHaveProperty('x-named')
    expect(seen).not.toHaveProperty('te')
    expect(seen.host).toBe('shop.example:8080')
    expect(seen['x-forwarded-for']).toBe('127.0.0.1')
    expect(seen['x-real-ip']).toBe('127.0.0.1')
    expect(seen['x-forwarded-proto']).toBe('http')
    expect(seen['x-forwarded-host']).toBe('shop.example:8080')
    expect(JSON.stringify(seen)).not.toContain('9.9.9.9')
    expect(seen['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    expect(answer.headers).not.toHaveProperty('x-secret-hop')
  })

  it('believes forwarding fields of a trusted proxy', async () => {
    const backend = await echoBackend()
    const config = httpConfig([backend.port], { listeners: { web: { trustedProxies: ['127.0.0.0/8'] } } })
    const { port, record } = await startInProcess(config)
    const answer = await send(port('web'), '/', { headers: { 'x-forwarded-for': '9.9.9.9, 203.0.113.7' } })
    const { headers } = answer.json<{ headers: Record<string, string> }>()
    expect(headers['x-real-ip']).toBe('203.0.113.7')
    expect((await record((line) => line.msg === 'request')).client).toBe('203.0.113.7')
  })

  it('streams large bodies both ways unchanged', async () => {
    const backend = await httpBackend((request, response) => void request.pipe(response))
    const { port } = await startInProcess(httpConfig([backend.port]))
    const body = randomBytes(8 << 20)
    const digest = await new Promise<string>((resolve, reject) => {
      const request = httpRequest({ host: '127.0.0.1', port: port('web'), method: 'PUT', path: '/' }, (response) => {
        const hash = createHash('sha256')
        response.on('data', (chunk) => hash.update(chunk))
        response.on('end', () => resolve(hash.digest('hex')))
      })
      request.on('error', reject)
      request.end(body)
    })
    expect(digest).toBe(createHash('sha256').update(body).digest('hex'))
  })

  it('holds the backend back while the client does not read', async () => {
    let sent = 0
    const chunk = Buffer.alloc(64 * 1024)
    const backend = await httpBackend((_request, response) => {
      const more = (): void => {
        while (sent < 200 << 20) {
          sent += chunk.length
          if (!response.write(chunk)) return void response.once('drain', more)
        }
        response.end()
      }
      more()
    })
    const { port } = await startInProcess(httpConfig([backend.port]))
    const socket = await open(port('web'))
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    // It has stalled when nothing was sent for as long as twenty looks.
    let last = -1
    let still = 0
    await until('the backend to stall', () => {
      still = sent === last && sent > 0 ? still + 1 : 0
      last = sent
      return still > 20
    })
    expect(sent).toBeLessThan(64 << 20)
  })

  it('cancels the upstream request when the client goes away', async () => {
    let aborted = false
    let started = false
    const backend = await httpBackend((request, response) => {
      started = true
      response.write('first')
      request.on('close', () => (aborted = true))
    })
    const { port, record, gateway } = await startInProcess(httpConfig([backend.port]))
    const socket = await open(port('web'))
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await until('the backend to be asked', () => started)
    socket.destroy()
    await until('the backend to see the abort', () => aborted)
    expect(await record((line) => line.msg === 'request')).toMatchObject({ outcome: 'DC', status: 0 })
    await until('no request under way', () => gateway.active === 0)
    expect(gateway.snapshot.upstreams.get('app')!.backends[0]!.active).toBe(0)
  })

  it('cancels also while the backend has not answered yet', async () => {
    let aborted = false
    let started = false
    const backend = await httpBackend((request) => {
      started = true
      request.on('close', () => (aborted = true))
    })
    const { port, record } = await startInProcess(httpConfig([backend.port]))
    const socket = await open(port('web'))
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await until('the backend to be asked', () => started)
    socket.destroy()
    await until('the backend to see the abort', () => aborted)
    expect((await record((line) => line.msg === 'request')).outcome).toBe('DC')
  })
})

describe('upstream failures', () => {
  it('passes over a backend that refuses, without the client noticing', async () => {
    const backend = await echoBackend()
    const running = await startInProcess(httpConfig([await deadPort(), backend.port]))
    const { port } = running
    for (let i = 0; i < 6; i++) {
      expect((await send(port('web'), '/', { method: 'POST', body: `b${i}` })).json().body).toBe(`b${i}`)
    }
    await until('six records', () => running.log.filter((line) => line.msg === 'request').length === 6)
    for (const line of running.log.filter((one) => one.msg === 'request'))
      expect(line).toMatchObject({ status: 200, outcome: '' })
  })

  it('answers 502 when every backend refuses', async () => {
    const { port, record } = await startInProcess(httpConfig([await deadPort(), await deadPort()]))
    expect((await send(port('web'), '/')).status).toBe(502)
    expect((await record((line) => line.msg === 'request')).outcome).toBe('UF')
  })

  it('answers 503 when no backend is up', async () => {
    const config = httpConfig([], {
      upstreams: {
        app: {
          backends: [
            { address: '127.0.0.1:1', state: 'down' },
            { address: '127.0.0.1:2', state: 'drain' },
          ],
        },
      },
    })
    const { port, record } = await startInProcess(config)
    const answer = await send(port('web'), '/')
    expect(answer.status).toBe(503)
    expect(answer.headers['retry-after']).toBeDefined()
    expect((await record((line) => line.msg === 'request')).outcome).toBe('UH')
  })

  it('answers 504 when the response head does not come', async () => {
    const backend = await httpBackend(() => {})
    const { port, record } = await startInProcess(
      httpConfig([backend.port], { upstreams: { app: { timeouts: { response: '100ms' } } } }),
    )
    expect((await send(port('web'), '/')).status).toBe(504)
    expect((await record((line) => line.msg === 'request')).outcome).toBe('UT')
  })

  it("answers 504 when the route's time is up", async () => {
    const backend = await httpBackend(() => {})
    const { port, record } = await startInProcess(httpConfig([backend.port], { routes: { all: { timeout: '100ms' } } }))
    expect((await send(port('web'), '/')).status).toBe(504)
    expect((await record((line) => line.msg === 'request')).outcome).toBe('UT')
  })

  it('breaks the connection when a response stands still, since its head is out', async () => {
    const backend = await httpBackend((_request, response) => void response.write('some'))
    const { port, record } = await startInProcess(
      httpConfig([backend.port], { upstreams: { app: { timeouts: { idle: '100ms' } } } }),
    )
    const text = await raw(port('web'), 'GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    expect(text).toContain('some')
    expect(text).not.toContain('0\r\n\r\n')
    expect((await record((line) => line.msg === 'request')).outcome).toBe('SI')
  })

  it('never presents a truncated response as complete', async () => {
    const backend = await tcpBackend((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort'))
    })
    const { port, record } = await startInProcess(httpConfig([backend.port]))
    await expect(send(port('web'), '/')).rejects.toThrow()
    expect((await record((line) => line.msg === 'request')).outcome).toMatch(/^U[CR]$/)
  })

  it('answers 502 when the backend closes without an answer', async () => {
    const backend = await tcpBackend((socket) => void socket.once('data', () => socket.end()))
    const { port, record } = await startInProcess(httpConfig([backend.port]))
    expect((await send(port('web'), '/', { method: 'POST', body: 'x' })).status).toBe(502)
    expect((await record((line) => line.msg === 'request')).outcome).toBe('UC')
  })

  it('answers 502 when the backend does not speak HTTP', async () => {
    const backend = await tcpBackend((socket) => void socket.once('data', () => socket.end('220 smtp ready\r\n\r\n')))
    const { port, record } = await startInProcess(httpConfig([backend.port]))
    expect((await send(port('web'), '/', { method: 'POST', body: 'x' })).status).toBe(502)
    expect((await record((line) => line.msg === 'request')).outcome).toBe('UPE')
  })

  it('sends an idempotent request again when a kept-alive connection turns out to be dead', async () => {
    let asked = 0
    const backend = await tcpBackend((socket) => {
      let requests = 0
      socket.on('data', () => {
        asked++
        if (requests++ === 0) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
        else socket.destroy()
      })
    })
    const { port } = await startInProcess(httpConfig([backend.port]))
    for (let i = 0; i < 3; i++) expect((await send(port('web'), '/')).status).toBe(200)
    expect(asked).toBeGreaterThan(3)
  })

  it('answers 408 when the client stops in the middle of the body', async () => {
    const backend = await httpBackend((request, response) => void request.resume().on('end', () => response.end()))
    const { port, record } = await startInProcess(
      httpConfig([backend.port], { listeners: { web: { timeouts: { idle: '100ms' } } } }),
    )
    const text = await raw(port('web'), 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf')
    expect(text).toMatch(/^HTTP\/1.1 408 /)
    expect((await record((line) => line.msg === 'request')).outcome).toBe('CI')
  })

  it('ejects a backend whose health check fails and takes it back', async () => {
    let healthy = true
    const sick = await httpBackend((request, response) => {
      if (request.url === '/healthz') response.statusCode = healthy ? 200 : 500
      response.setHeader('x-backend', 'sick')
      response.end()
    })
    const well = await echoBackend('well')
    const { port, record } = await startGateway(
      httpConfig([sick.port, well.port], {
        upstreams: { app: { health: { path: '/healthz', interval: '50ms', timeout: '1s' }, balance: 'round-robin' } },
      }),
    )
    // The echo backend answers its /healthz with 200.
    healthy = false
    await record((line) => line.msg === 'backend down')
    // The worker that probes tells the other one.
    let inARow = 0
    while (inARow < 8) inARow = (await send(port('web'), '/')).headers['x-backend'] === 'well' ? inARow + 1 : 0
    healthy = true
    await record((line) => line.msg === 'backend up')
    // Each worker takes turns by itself.
    const names = new Set<unknown>()
    while (names.size < 2) names.add((await send(port('web'), '/')).headers['x-backend'])
    expect(names).toEqual(new Set(['well', 'sick']))
  })
})
