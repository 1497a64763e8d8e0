import { describe, expect, it } from 'vitest'
import { deadPort, echoBackend, httpBackend, tcpBackend } from '../helpers/backend.ts'
import { type ClientResponse, open, send } from '../helpers/client.ts'
import { httpConfig, type Json, shareGateway, startGateway } from '../helpers/gateway.ts'
import type { PosternProcess } from '../helpers/process.ts'
import { until } from '../helpers/until.ts'

/** All but the last test take turns in one gateway. Where one kills a worker, a spare takes its place. */
const share = shareGateway({ spare: true })

async function start(config: Json) {
  const { process: gateway, port, reload, record } = await share(config)
  await until('both workers', () => gateway.workers().length === 2, 30_000)
  return { gateway, port: port('web'), reload, record }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Asks on new connections until told to stop; a failure is kept with when its request began. */
function traffic(port: number) {
  const failures: { began: number; error: unknown }[] = []
  let answered = 0
  let going = true
  const lanes = Array.from({ length: 4 }, async () => {
    while (going) {
      const began = performance.now()
      await send(port, '/').then(
        (answer: ClientResponse) =>
          answer.status === 200 ? answered++ : failures.push({ began, error: answer.status }),
        (error: unknown) => failures.push({ began, error }),
      )
    }
  })
  return {
    failures,
    answered: () => answered,
    stop: async () => {
      going = false
      await Promise.all(lanes)
    },
  }
}

async function replaced(gateway: PosternProcess, dead: number): Promise<void> {
  await until(
    'a worker in its place',
    () => {
      const workers = gateway.workers()
      return workers.length === 2 && !workers.includes(dead)
    },
    30_000,
  )
}

describe('worker processes', () => {
  it.each(['SIGKILL', 'SIGSEGV'] as const)(
    '%s of one under load fails nothing but what was under way in it',
    async (signal) => {
      const backend = await echoBackend()
      const { gateway, port, record } = await start(httpConfig([backend.port]))
      const load = traffic(port)
      await until('some answers', () => load.answered() > 50, 30_000)
      const victim = gateway.workers().at(-1)
      const killed = performance.now()
      process.kill(victim!, signal)
      await replaced(gateway, victim!)
      console.log(`${signal}: another worker serves after ${Math.round(performance.now() - killed)} ms`)
      const before = load.answered()
      await until('more answers', () => load.answered() > before + 50, 30_000)
      await load.stop()
      // Whoever began after the kill was answered, by the other worker or by the next one on the same socket.
      expect(load.failures.filter(({ began }) => began > killed)).toEqual([])
      expect(load.failures.length).toBeLessThanOrEqual(4)
      expect(await record(({ msg }) => msg === 'worker died')).toMatchObject({ pid: victim, signal })
    },
  )

  it('reload together, and none of them when one cannot', async () => {
    const backend = await echoBackend()
    const { port, reload } = await start(httpConfig([backend.port]))
    await reload(httpConfig([backend.port], { routes: { all: { match: { path: '/new' } } } }))
    for (let i = 0; i < 10; i++) {
      expect((await send(port, '/new')).status).toBe(200)
      expect((await send(port, '/')).status).toBe(404)
    }
    const occupied = await tcpBackend(() => {})
    const second = { address: '127.0.0.1', port: occupied.port }
    await expect(reload(httpConfig([backend.port], { listeners: { second } }))).rejects.toThrow('cannot listen')
    // One whose number the configuration names.
    const free = await deadPort()
    const named = (protocol: string): Json =>
      httpConfig([backend.port], {
        listeners: { second: { protocol, address: '127.0.0.1', port: free } },
        routes: { all: { match: { path: '/new' } } },
      })
    await reload(named('http'))
    await expect(reload(named('tcp'))).rejects.toThrow(`a reload cannot change port ${free} from http to tcp`)
    for (let i = 0; i < 10; i++) expect((await send(port, '/new')).status).toBe(200)
  })

  it('have the same routes after several reloads, also one that takes the place of another', async () => {
    const backend = await echoBackend()
    const config = (...paths: string[]): Json =>
      httpConfig([backend.port], {
        routes: Object.fromEntries(
          ['all', ...paths].map((name) => [name, { listener: 'web', match: { path: `/${name}` }, upstream: 'app' }]),
        ),
      })
    const { gateway, port, reload } = await start(config('a', 'b'))
    await reload(config('a', 'c'))
    await reload(config('a', 'c', 'd'))
    const expectRoutes = async (): Promise<void> => {
      for (let i = 0; i < 5; i++) {
        const statuses = await Promise.all(
          ['a', 'b', 'c', 'd'].map(async (path) => (await send(port, `/${path}`)).status),
        )
        expect(statuses).toEqual([200, 404, 200, 200])
      }
    }
    await expectRoutes()
    const victim = gateway.workers().at(-1)
    process.kill(victim!, 'SIGKILL')
    await replaced(gateway, victim!)
    await expectRoutes()
    await reload(config('a', 'c', 'd'))
    await expectRoutes()
  })

  it('serve a listener that a reload adds, on every worker', async () => {
    const backend = await echoBackend()
    const { gateway, reload } = await start(httpConfig([backend.port]))
    const free = await tcpBackend(() => {})
    await free.close()
    const config = httpConfig([backend.port], {
      listeners: { second: { address: '127.0.0.1', port: free.port } },
      routes: { second: { listener: 'second', upstream: 'app' } },
    })
    await reload(config)
    for (let i = 0; i < 20; i++) expect((await send(free.port, '/')).status).toBe(200)
    const victim = gateway.workers().at(-1)
    process.kill(victim!, 'SIGKILL')
    await replaced(gateway, victim!)
    for (let i = 0; i < 20; i++) expect((await send(free.port, '/')).status).toBe(200)
  })

  it('count together: a limit holds exactly, whichever worker is asked', async () => {
    const backend = await echoBackend()
    const { port } = await start(
      httpConfig([backend.port], {
        routes: { all: { policies: ['limit'] } },
        policies: { limit: { plugin: 'rate-limit', options: { points: 5, duration: '1h' } } },
      }),
    )
    const statuses = await Promise.all(
      Array.from({ length: 40 }, () => send(port, '/').then((answer) => answer.status)),
    )
    expect(statuses.filter((status) => status === 200)).toHaveLength(5)
    expect(statuses.filter((status) => status === 429)).toHaveLength(35)
  })

  it('probe each backend once per host, and all of them know', async () => {
    let probes = 0
    let healthy = true
    const backend = await httpBackend((request, response) => {
      if (request.url === '/healthz') {
        probes++
        response.statusCode = healthy ? 200 : 500
      }
      response.end()
    })
    const { gateway, port, record } = await start(
      httpConfig([backend.port], {
        upstreams: { app: { health: { path: '/healthz', interval: '200ms', timeout: '5s' } } },
      }),
    )
    const from = probes
    const began = performance.now()
    await until('ten probes', () => probes >= from + 10, 20_000)
    // Two workers that probed both would need half the time.
    expect((performance.now() - began) / 10).toBeGreaterThan(140)
    healthy = false
    await record(({ msg }) => msg === 'backend down')
    await only503(port)
    // The worker that probes, the first, dies: another one goes on with it.
    const [victim] = gateway.workers()
    process.kill(victim!, 'SIGKILL')
    await replaced(gateway, victim!)
    expect((await send(port, '/')).status).toBe(503)
    healthy = true
    await record(({ msg }) => msg === 'backend up')
    for (let i = 0; i < 10; i++) await answers200(port)
  })

  it('one that gets SIGTERM finishes what it has and is replaced', async () => {
    let release: (() => void) | undefined
    const backend = await httpBackend((_request, response) => {
      release = () => response.end('done')
    })
    const { gateway, port } = await start(httpConfig([backend.port]))
    const socket = await open(port)
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await until('the request to be under way', () => release)
    const before = gateway.workers()
    for (const pid of before) process.kill(pid, 'SIGTERM')
    release!()
    await until('the answer', () => text.includes('done'))
    await until(
      'two other workers',
      () => {
        const workers = gateway.workers()
        return workers.length === 2 && workers.every((pid) => !before.includes(pid))
      },
      30_000,
    )
    release = undefined
  })

  it('end with their supervisor', async () => {
    const backend = await echoBackend()
    const { process: gateway } = await startGateway(httpConfig([backend.port]), {}, { spare: true })
    const workers = await until('two workers', () => (gateway.workers().length === 2 ? gateway.workers() : undefined))
    gateway.child.kill('SIGKILL')
    await until('the workers to end', () => workers.every((pid) => !isAlive(pid)), 30_000)
  })
})

/** Until every worker knows that no backend is up. */
async function only503(port: number): Promise<void> {
  for (;;) {
    const statuses = await Promise.all(Array.from({ length: 8 }, () => send(port, '/').then((answer) => answer.status)))
    if (statuses.every((status) => status === 503)) return
  }
}

async function answers200(port: number): Promise<void> {
  while ((await send(port, '/')).status !== 200) await new Promise((resolve) => setTimeout(resolve, 20))
}
