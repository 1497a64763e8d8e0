import { Agent, request as httpRequest } from 'node:http'
import { describe, expect, it } from 'vitest'
import { ConfigError, startGateway as start } from '../../core/start.ts'
import { echoBackend, httpBackend, tcpBackend } from '../helpers/backend.ts'
import { open, send } from '../helpers/client.ts'
import { gatewayFolder, httpConfig, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { collect } from '../http1/raw-backend.ts'

describe('a reload', () => {
  it('fails none of 200 requests in flight, on kept-alive and new connections', async () => {
    let held: (() => void)[] = []
    const backend = await httpBackend((_request, response) => void held.push(() => response.end('ok')))
    const { port, reload } = await startInProcess(httpConfig([backend.port]))
    const agent = new Agent({ keepAlive: true })
    const get = (keepAlive: boolean): Promise<number> =>
      new Promise((resolve, reject) => {
        const options = { host: '127.0.0.1', port: port('web'), agent: keepAlive ? agent : false }
        const request = httpRequest(options, (response) =>
          response.resume().on('end', () => resolve(response.statusCode!)),
        )
        request.on('error', reject)
        request.end()
      })
    const statuses: Promise<number>[] = []
    for (let i = 0; i < 150; i++) statuses.push(get(i % 3 === 0))
    await until('the backend to hold 150 requests', () => held.length === 150)
    const changed = httpConfig([backend.port], {
      routes: { other: { listener: 'web', match: { path: '/other' }, upstream: 'app' } },
      upstreams: { app: { balance: 'least-connections' } },
    })
    await reload(changed)
    for (let i = 0; i < 50; i++) statuses.push(get(i % 3 === 0))
    await until('the backend to hold 200 requests', () => held.length === 200)
    await reload(httpConfig([backend.port]))
    for (const release of held) release()
    held = []
    expect(new Set(await Promise.all(statuses))).toEqual(new Set([200]))
    agent.destroy()
  })

  it('that is refused changes nothing and says everything that is wrong', async () => {
    const backend = await echoBackend()
    const { port, reload } = await startInProcess(httpConfig([backend.port]))
    const bad = httpConfig([backend.port], { routes: { all: { upstream: 'ap' } }, listeners: { web: { prot: 1 } } })
    await expect(reload(bad)).rejects.toThrow(ConfigError)
    await expect(reload(bad)).rejects.toMatchObject({ problems: { length: 2 } })
    expect((await send(port('web'), '/')).status).toBe(200)
    await reload(httpConfig([backend.port], { routes: { all: { match: { path: '/new' } } } }))
    expect((await send(port('web'), '/')).status).toBe(404)
  })

  it('whose plugin does not build keeps the old configuration', async () => {
    const backend = await echoBackend()
    const { port, reload } = await startInProcess(httpConfig([backend.port]), {
      'plugins/broken/index.ts': 'export default {\n  name: "broken",\n',
    })
    const bad = httpConfig([backend.port], {
      routes: { all: { policies: ['broken'] } },
      policies: { broken: { plugin: 'broken' } },
    })
    await expect(reload(bad)).rejects.toMatchObject({
      problems: [
        {
          file: expect.stringContaining('plugins/broken/index.ts'),
          line: 3,
          message: expect.stringContaining('end of file'),
        },
      ],
    })
    expect((await send(port('web'), '/')).status).toBe(200)
  })

  it('whose listener cannot be bound keeps the old configuration', async () => {
    const backend = await echoBackend()
    const occupied = await tcpBackend(() => {})
    const { port, reload } = await startInProcess(httpConfig([backend.port]))
    const bad = httpConfig([backend.port], { listeners: { second: { address: '127.0.0.1', port: occupied.port } } })
    await expect(reload(bad)).rejects.toThrow(/listener "second" cannot listen/)
    expect((await send(port('web'), '/')).status).toBe(200)
  })

  it('closes a listener that is gone and opens one that is new', async () => {
    const backend = await echoBackend()
    const { port, reload } = await startInProcess(httpConfig([backend.port]))
    const before = port('web')
    await reload({
      listeners: { other: { address: '127.0.0.1', port: 0 } },
      routes: { all: { listener: 'other', upstream: 'app' } },
      upstreams: { app: { backends: [{ address: `127.0.0.1:${backend.port}` }], health: false } },
    })
    expect((await send(port('other'), '/')).status).toBe(200)
    await expect(send(before, '/')).rejects.toThrow(/ECONNREFUSED/)
  })

  it('a thousand times leaves no listener, backend or sandbox behind', async () => {
    const backend = await echoBackend()
    const { port, reload, gateway } = await startInProcess(httpConfig([backend.port]))
    const app = gateway.snapshot.upstreams.get('app')!.backends[0]
    for (let i = 0; i < 200; i++) {
      await reload(httpConfig([backend.port], { routes: { all: { timeout: `${i + 1}s` } } }))
    }
    expect(gateway.snapshot.upstreams.get('app')!.backends[0]).toBe(app)
    expect((await send(port('web'), '/')).status).toBe(200)
  })
})

describe('a drain', () => {
  it('answers requests that have arrived and were not read yet, on new connections and on kept-alive ones', async () => {
    const backend = await httpBackend((_request, response) => void response.end('ok'))
    const { port, drain } = await startInProcess(httpConfig([backend.port]))
    const get = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'
    const fresh = await open(port('web'))
    const kept = await open(port('web'))
    const [first, second] = [collect(fresh), collect(kept)]
    kept.write(get)
    // Connections are accepted in the order in which they were made.
    await until('the first answer', () => second.text.endsWith('ok'))
    second.text = ''
    fresh.write(get)
    kept.write(get)
    await drain()
    for (const got of [first, second]) {
      await until('the end', () => got.end)
      expect(got.text).toMatch(/^HTTP\/1\.1 200 OK\r\n.*connection: close\r\n\r\nok$/s)
    }
  })

  it('refuses new connections, finishes what is in flight, and closes', async () => {
    let release = (): void => {}
    const backend = await httpBackend((_request, response) => {
      release = () => response.end('done')
    })
    const { port, gateway, drain } = await startInProcess(httpConfig([backend.port]))
    let held = false
    const answer = send(port('web'), '/').finally(() => (held = true))
    await until('the request to be under way', () => gateway.active === 1)
    const web = port('web')
    const drained = drain()
    await expect(open(web)).rejects.toThrow(/ECONNREFUSED/)
    expect(held).toBe(false)
    await until('the backend to be asked', () => {
      release()
      return held
    })
    expect((await answer).body).toBe('done')
    await drained
    expect(gateway.active).toBe(0)
  })

  it('with a delay serves connections and requests meanwhile, and announces that they close', async () => {
    const backend = await echoBackend()
    const { port, drain } = await startInProcess({
      ...(httpConfig([backend.port], {
        routes: { ready: { listener: 'web', match: { path: '/ready' }, reply: { drainStatus: 503 } } },
      }) as object),
      drain: { delay: '2s', timeout: '10s' },
    })
    expect((await send(port('web'), '/ready')).status).toBe(200)
    const web = port('web')
    const idle = await open(web)
    const answers: string[] = []
    idle.on('data', (bytes: Buffer) => answers.push(bytes.toString()))
    const ask = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'
    idle.write(ask)
    await until('an answer', () => answers.length > 0)
    expect(answers.join('')).not.toMatch(/^connection: close/im)
    const end = drain()
    let isOver = false
    void end.then(() => (isOver = true))
    // One that was idle is not closed, and a new one is accepted: the balancer in front may not have noticed.
    const closed = new Promise((resolve) => idle.once('end', resolve))
    idle.write(ask)
    await closed
    expect(answers.slice(1).join('')).toMatch(/^HTTP\/1.1 200 [\s\S]*^connection: close/im)
    expect((await send(web, '/')).headers.connection).toBe('close')
    expect((await send(web, '/ready')).status).toBe(503)
    expect(isOver).toBe(false)
    await end
    await expect(open(web)).rejects.toThrow(/ECONNREFUSED/)
  })

  it('that is cut short does not wait for its delay', async () => {
    const { gateway, drain } = await startInProcess({
      ...(httpConfig([(await echoBackend()).port]) as object),
      drain: { delay: '1h' },
    })
    const end = drain()
    gateway.close()
    await end
  })

  it('ends what is left at its deadline', async () => {
    const backend = await httpBackend(() => {})
    const { port, gateway, drain } = await startInProcess({
      ...(httpConfig([backend.port]) as object),
      drain: '100ms',
    })
    const answer = send(port('web'), '/').then(
      (response) => response.status,
      () => 'ended',
    )
    await until('the request to be under way', () => gateway.active === 1)
    await drain()
    expect(await answer).toBe('ended')
  })
})

describe('a start', () => {
  it('with a configuration that is refused leaves nothing behind', async () => {
    const folder = gatewayFolder({ listeners: {}, routez: {} })
    await expect(start({ config: `${folder}/gateway.json` })).rejects.toThrow(ConfigError)
  })
})
