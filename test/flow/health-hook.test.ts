import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkConfig } from '../../core/check/check.ts'
import { modes, testPlugin } from '../../core/testing/index.ts'
import { deadPort, httpBackend, tcpBackend } from '../helpers/backend.ts'
import { send } from '../helpers/client.ts'
import { gatewayFolder, httpConfig, type Json, startGateway, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

/** Reads the status page of a backend, and says what stands there. */
const status = `
import { definePlugin } from 'postern/sdk'
const worker = String(Math.random())
export default definePlugin({
  name: 'status',
  needs: ['fetch'],
  reads: ['backend'],
  writes: ['response.header:x-worker', 'response.header:x-weight'],
  async checkHealth({ backend, fetch }) {
    const answer = await fetch('http://' + backend.address + '/status?worker=' + worker)
    return answer.json()
  },
  onResponse({ backend, response }) {
    response.setHeader('x-worker', worker)
    response.setHeader('x-weight', String(backend?.weight))
  },
})`

/** Does as its options say, without asking anybody. */
const oracle = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'oracle',
  needs: ['fetch', 'log'],
  options: {
    type: 'object', additionalProperties: false, required: ['says'],
    properties: { says: { type: 'string' }, url: { type: 'string', default: '' } },
  },
  async checkHealth({ backend, options, fetch, log }) {
    log.info('asked', { says: options.says, backend: backend.address })
    if (options.says === 'throw') throw new Error('no idea')
    if (options.says === 'wait') await fetch(options.url)
    if (options.says === 'nothing' || options.says === 'wait') return
    return JSON.parse(options.says)
  },
})`

const plugins = { 'plugins/status/index.ts': status, 'plugins/oracle/index.ts': oracle }
const fast = { interval: '10ms', timeout: '5s' }
const down = '{ "healthy": false, "why": "says the oracle" }'

interface Application {
  readonly port: number
  readonly address: string
  /** What its status page says. */
  status: unknown
  /** Which workers have read it. */
  readonly readers: Set<string>
  /** Called before the page is sent. */
  onStatus: () => void
}

/** A port that is open whatever happens, and a status page that can be changed. */
async function application(): Promise<Application> {
  const readers = new Set<string>()
  const { port } = await httpBackend((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://app')
    if (pathname !== '/status') return response.end(String(port))
    readers.add(searchParams.get('worker')!)
    app.onStatus()
    response.end(JSON.stringify(app.status))
  })
  const address = `127.0.0.1:${port}`
  const app: Application = { port, address, status: { healthy: true }, readers, onStatus: () => {} }
  return app
}

function statusConfig(apps: readonly Application[], health: Json = fast): Json {
  const config = httpConfig([], {
    upstreams: {
      app: { backends: apps.map(({ address }) => ({ address, weight: 2 })), health, policies: ['status'] },
    },
    plugins: {
      status: {
        fetch: apps.map(({ address }) => ({ origin: `http://${address}`, private: true })),
        // An isolate that is replaced because the machine is busy would look like another worker.
        limits: { time: '1s' },
      },
    },
    policies: { status: { plugin: 'status' } },
  })
  return config
}

/** One upstream of one backend, whose policies are oracles that say this. */
function oracleConfig(address: string, says: readonly (Json | { [name: string]: Json })[], health: Json = fast): Json {
  const policies = says.map((one, i): [string, Json] => [
    `o${i}`,
    typeof one === 'string' ? { plugin: 'oracle', options: { says: one } } : one,
  ])
  return httpConfig([], {
    upstreams: { app: { backends: [{ address }], health, policies: policies.map(([name]) => name) } },
    policies: Object.fromEntries(policies),
  })
}

describe('checkHealth', () => {
  it('may ask the backend itself without an entry for it, and nothing else', async () => {
    const app = await application()
    const other = await application()
    app.status = { healthy: false, why: 'says the page' }
    const asking = (port: number): string => `
      import { definePlugin } from 'postern/sdk'
      export default definePlugin({
        name: 'asks${port}',
        needs: ['fetch'],
        async checkHealth({ backend, fetch }) {
          return (await fetch('http://' + backend.address.replace(/\\d+$/, '${port}') + '/status')).json()
        },
        async onRequest({ fetch }) { await fetch('http://${app.address}/status') },
      })`
    const start = (port: number): ReturnType<typeof startInProcess> =>
      startInProcess(
        httpConfig([], {
          upstreams: { app: { backends: [{ address: app.address }], health: fast, policies: ['asks'] } },
          policies: { asks: { plugin: `asks${port}` } },
        }),
        { [`plugins/asks${port}/index.ts`]: asking(port) },
      )
    const own = await start(app.port)
    expect((await own.record(({ msg }) => msg === 'backend down')).why).toBe('says the page')
    const refused = (address: string): string => `http://${address} is not listed in "fetch"`
    expect((await send(own.port('web'), '/')).status).toBe(500)
    const asked = await own.record(({ msg, hook }) => msg === 'policy failed' && hook === 'onRequest')
    expect(asked.cause).toContain(refused(app.address))
    const foreign = await start(other.port)
    expect((await foreign.record(({ msg }) => msg === 'policy failed')).cause).toContain(refused(other.address))
  })

  it('ejects a backend whose port is open and whose application is dead, on every worker, and brings it back', async () => {
    const [good, bad] = [await application(), await application()]
    bad.status = { healthy: false, why: 'the database is gone' }
    const gateway = await startGateway(statusConfig([good, bad]), plugins)
    const workers = new Set<unknown>()
    /** Twenty answers in a row, by both workers. */
    const answers = async (wanted: (bodies: readonly string[]) => boolean): Promise<void> => {
      const deadline = performance.now() + 10_000
      for (;;) {
        const bodies: string[] = []
        workers.clear()
        while (bodies.length < 20 || (workers.size < 2 && bodies.length < 200)) {
          const answer = await send(gateway.port('web'), '/')
          expect(answer.status).toBe(200)
          workers.add(answer.headers['x-worker'])
          bodies.push(answer.body)
        }
        if (wanted(bodies) && workers.size === 2) return
        if (performance.now() > deadline) throw new Error(`in vain: ${bodies.join(' ')} by ${workers.size} workers`)
      }
    }
    const record = await gateway.record(({ msg }) => msg === 'backend down')
    expect(record).toMatchObject({ backend: bad.address, why: 'the database is gone' })
    await answers((bodies) => bodies.every((body) => body === `${good.port}`))
    // Who leads may have changed while the workers started.
    for (const { readers } of [good, bad]) readers.clear()
    bad.status = { healthy: true }
    await gateway.record(({ msg }) => msg === 'backend up')
    await answers((bodies) => bodies.includes(`${bad.port}`))
    // Both workers serve, and one of them asks.
    await until('their next probes', () => good.readers.size > 0 && bad.readers.size > 0)
    expect(good.readers).toEqual(bad.readers)
    expect(good.readers.size).toBe(1)
    expect(workers).toContain([...good.readers][0])
    expect(gateway.log.filter(({ msg }) => msg === 'backend up').length).toBe(1)
  })

  it('lets the weight that it measured take the place of the configured one, on every worker, until it gives none', async () => {
    const apps = [await application(), await application()]
    apps[0]!.status = { healthy: true, weight: 12 }
    const gateway = await startGateway(statusConfig(apps), plugins)
    const shares = new Map<unknown, number[]>()
    const ask = async (): Promise<string> => {
      const answer = await send(gateway.port('web'), '/')
      const share = shares.get(answer.headers['x-worker']) ?? [0, 0]
      share[answer.body === `${apps[0]!.port}` ? 0 : 1]!++
      shares.set(answer.headers['x-worker'], share)
      return `${answer.body}:${String(answer.headers['x-weight'])}`
    }
    /** Until each worker has shown that weight of the first backend. */
    const settled = async (weight: number): Promise<void> => {
      const deadline = performance.now() + 10_000
      const seen = new Set<unknown>()
      while (seen.size < 2) {
        shares.clear()
        if ((await ask()) === `${apps[0]!.port}:${weight}`) seen.add([...shares.keys()][0])
        if (performance.now() > deadline) throw new Error(`no weight ${weight} on both workers`)
      }
    }
    await settled(12)
    shares.clear()
    for (let i = 0; i < 140; i++) await ask()
    expect(shares.size).toBe(2)
    // 12 : 2 on each; smooth, so a part of a round is off by less than a round's smaller share and one.
    for (const [first, second] of shares.values()) {
      expect(Math.abs(first! - ((first! + second!) * 6) / 7)).toBeLessThanOrEqual(3)
    }
    apps[0]!.status = { healthy: true }
    await settled(2)
  })

  it('counts as a probe: `fall` bad verdicts eject, `rise` good ones bring back', async () => {
    const app = await application()
    const gateway = await startInProcess(statusConfig([app], { ...fast, rise: 3, fall: 4 }), plugins)
    const [backend] = gateway.gateway.snapshot.upstreams.get('app')!.backends
    const wrong: string[] = []
    const count = async (healthy: boolean, tolerated: number): Promise<void> => {
      let asked = 0
      app.status = { healthy }
      app.onStatus = () => {
        if (backend!.healthy !== (++asked <= tolerated ? !healthy : healthy)) wrong.push(`${healthy} ${asked}`)
      }
      await until(`healthy: ${healthy}`, () => asked > tolerated)
    }
    await until('the first verdict', () => app.readers.size === 1)
    await count(false, 4)
    await count(true, 3)
    expect(wrong).toEqual([])
  })

  it('asks the next policy when one has no opinion, and probes when none has', async () => {
    const { port } = await tcpBackend(() => {})
    const asked = await startInProcess(
      oracleConfig(`127.0.0.1:${port}`, ['nothing', down, '{ "healthy": true }']),
      plugins,
    )
    const record = await asked.record(({ msg }) => msg === 'backend down')
    expect(record.why).toBe('says the oracle')
    const policies = asked.log.filter(({ msg }) => msg === 'asked').map(({ policy }) => policy)
    expect(new Set(policies)).toEqual(new Set(['o0', 'o1']))

    const dead = await deadPort()
    const probed = await startInProcess(oracleConfig(`127.0.0.1:${dead}`, ['nothing']), plugins)
    expect((await probed.record(({ msg }) => msg === 'backend down')).why).toMatch(/ECONNREFUSED/)
  })

  const late = (url: string, onFailure: string): Json => ({
    plugin: 'oracle',
    options: { says: 'wait', url },
    onFailure,
  })

  it.each(['throw', 'wait'])(
    'a policy that fails (%s) has found it unhealthy, or with "continue" nothing',
    async (how) => {
      const { port } = await tcpBackend(() => {})
      const silent = await httpBackend(() => {})
      const url = `http://127.0.0.1:${silent.port}`
      const start = (onFailure: string) =>
        startInProcess(
          {
            ...(oracleConfig(
              `127.0.0.1:${port}`,
              [
                how === 'wait' ? late(url, onFailure) : { plugin: 'oracle', options: { says: 'throw' }, onFailure },
                'nothing',
              ],
              { interval: '10ms', timeout: '30ms' },
            ) as { [name: string]: Json }),
            plugins: { oracle: { fetch: [{ origin: url, private: true }] } },
          },
          plugins,
        )
      const why = how === 'wait' ? 'no verdict within 30 ms' : 'no idea'
      const rejecting = await start('reject')
      expect((await rejecting.record(({ msg }) => msg === 'backend down')).why).toContain(why)
      const failed = await rejecting.record(({ msg }) => msg === 'policy failed')
      expect(failed).toMatchObject({ policy: 'o0', hook: 'checkHealth', cause: expect.stringContaining(why) as string })
      expect(failed.cause).toContain(`127.0.0.1:${port}: `)
      expect(failed.outcome).toBe(how === 'wait' ? 'PT:oracle' : 'PE:oracle')

      const going = await start('continue')
      // The next policy and the probe have their turn, and the backend is up.
      await until(
        'three probes',
        () => going.log.filter(({ policy, msg }) => policy === 'o1' && msg === 'asked').length > 3,
      )
      expect(going.log.some(({ msg }) => msg === 'backend down')).toBe(false)
      // Said once, not in every interval.
      expect(going.log.filter(({ msg }) => msg === 'policy failed')).toHaveLength(1)
    },
  )

  it('follows a reload: probes go on, and the policies in force are asked', async () => {
    const { port } = await tcpBackend(() => {})
    const address = `127.0.0.1:${port}`
    const gateway = await startInProcess(oracleConfig(address, ['{ "healthy": true, "weight": 7 }']), plugins)
    const [backend] = gateway.gateway.snapshot.upstreams.get('app')!.backends
    await until('the weight', () => backend!.weight === 7)
    await gateway.reload(oracleConfig(address, [down]))
    await gateway.record(({ msg }) => msg === 'backend down')
    await until('the configured weight', () => backend!.weight === 1)
    await gateway.reload(oracleConfig(address, []))
    // Without a policy the probe decides: the port is open.
    await gateway.record(({ msg }) => msg === 'backend up')
    expect(gateway.gateway.snapshot.upstreams.get('app')!.backends).toEqual([backend])
  })

  it('runs for tcp upstreams too', async () => {
    const { port } = await tcpBackend(() => {})
    const gateway = await startInProcess(
      {
        listeners: { db: { protocol: 'tcp', address: '127.0.0.1', port: 0 } },
        routes: { db: { listener: 'db', upstream: 'db' } },
        upstreams: {
          db: { protocol: 'tcp', backends: [{ address: `127.0.0.1:${port}` }], health: fast, policies: ['o'] },
        },
        policies: { o: { plugin: 'oracle', options: { says: down } } },
      },
      plugins,
    )
    expect(await gateway.record(({ msg }) => msg === 'backend down')).toMatchObject({ upstream: 'db' })
  })

  it('ends with the gateway, whatever it waits for', async () => {
    let waiting = 0
    const silent = await httpBackend((request) => {
      waiting++
      request.socket.on('close', () => waiting--)
    })
    const url = `http://127.0.0.1:${silent.port}`
    const gateway = await startInProcess(
      {
        ...(oracleConfig(`127.0.0.1:${silent.port}`, [late(url, 'reject')]) as { [name: string]: Json }),
        plugins: { oracle: { fetch: [{ origin: url, private: true }] } },
      },
      plugins,
    )
    await until('the hook to wait', () => waiting > 0)
    gateway.gateway.close()
    await until('the end of what it waits for', () => waiting === 0)
    expect(gateway.log.some(({ msg }) => msg === 'policy failed')).toBe(false)
  })

  it('is refused where it could never run, with the reason', async () => {
    const problems = async (config: Json): Promise<string[]> => {
      const checked = await checkConfig(join(gatewayFolder(config, { 'plugins/only/index.ts': only }), 'gateway.json'))
      return checked.ok ? [] : checked.problems.map(({ message }) => message)
    }
    const only = `
      import { definePlugin } from 'postern/sdk'
      export default definePlugin({ name: 'only', checkHealth: () => ({ healthy: true }) })`
    const policies = { p: { plugin: 'only' } }
    const upstream = { policies: ['p'] }
    expect(await problems(httpConfig([1], { upstreams: { app: { ...upstream, health: {} } }, policies }))).toEqual([])
    expect(await problems(httpConfig([1], { upstreams: { app: upstream }, policies }))).toEqual([
      'policy "p" (plugin only) never runs here: it has only checkHealth, and "health" of upstream "app" is false, so there are no health checks; remove that setting or the policy',
    ])
    expect(await problems(httpConfig([1], { routes: { all: { policies: ['p'] } }, policies }))).toEqual([
      'policy "p" (plugin only) never runs here: it has only checkHealth, and only an upstream has backends to check; attach it to the upstream',
    ])
  })
})

describe.each(modes)('a verdict in %s', (mode) => {
  const file = join(import.meta.dirname, '../fixtures/plugins/health.ts')
  const verdict = async (says: unknown) => {
    const plugin = await testPlugin(file, { says: JSON.stringify(says) }, { mode })
    try {
      return (await plugin.run('checkHealth', { backend: { id: 'b', address: 'b:1', weight: 3 } })).health
    } finally {
      plugin.close()
    }
  }

  it.each([
    [{ healthy: true }, { healthy: true, why: 'b:1 3' }],
    [
      { healthy: false, why: 'gone' },
      { healthy: false, why: 'gone' },
    ],
    [
      { healthy: true, weight: 1_000 },
      { healthy: true, weight: 1_000, why: 'b:1 3' },
    ],
    [null, undefined],
  ])('%j', async (says, expected) => {
    expect(await verdict(says)).toEqual(expected)
  })

  it.each([
    [true, 'checkHealth must return nothing or { healthy, weight, why }, not boolean true'],
    [{}, 'not an object without `healthy: true` or `false`'],
    [{ healthy: 1 }, 'not an object without `healthy: true` or `false`'],
    [{ healthy: true, wieght: 3 }, 'not an object with "wieght"'],
    [{ healthy: true, weight: 0 }, 'weight must be a whole number from 1 to 1,000, not 0'],
    [{ healthy: true, weight: 1_001 }, 'not 1001'],
    [{ healthy: true, weight: 1.5 }, 'not 1.5'],
    [{ healthy: true, weight: '5' }, 'not 5'],
    [{ healthy: true, why: 5 }, 'why must be a string, not number'],
  ])('%j is none', async (says, message) => {
    await expect(verdict(says)).rejects.toThrow(message)
  })
})
