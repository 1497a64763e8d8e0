import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { echoBackend, httpBackend } from '../helpers/backend.ts'
import { open, send } from '../helpers/client.ts'
import { gatewayFolder, httpConfig, type Json, shareGateway, startGateway } from '../helpers/gateway.ts'
import { postern } from '../helpers/process.ts'
import { until } from '../helpers/until.ts'

const root = join(import.meta.dirname, '../..')
const share = shareGateway()

/** One worker, for what shows nothing about several. */
const alone = (config: Json): Json => ({ ...(config as object), workers: 1 }) as Json

/** How the port refuses connections, once it does. */
async function refusal(port: number): Promise<unknown> {
  for (const end = performance.now() + 30_000; performance.now() < end; ) {
    const error = await open(port).then(
      (socket) => void socket.destroy(),
      (reason: unknown) => reason,
    )
    if (error !== undefined) return error
  }
  throw new Error('the port still takes connections')
}

describe('postern run', () => {
  it('reloads on SIGHUP with 200 requests in flight and none of them failing', async () => {
    const held: (() => void)[] = []
    const backend = await httpBackend((_request, response) => void held.push(() => response.end('ok')))
    // Held for as long as a reload takes on a busy machine.
    const config = (timeout: string): Json =>
      httpConfig([backend.port], {
        routes: { all: { timeout } },
        upstreams: { app: { timeouts: { response: '5m', idle: '5m' } } },
      })
    const gateway = await share(config('5m'))
    const statuses = Array.from({ length: 200 }, () => send(gateway.port('web'), '/').then(({ status }) => status))
    await until('200 requests in flight', () => held.length === 200, 30_000)
    await gateway.reload(config('9s'))
    const reloaded = await gateway.record(({ msg }) => msg === 'reloaded')
    expect(reloaded).toMatchObject({ changed: ['routes.all'], listeners: [`web ${gateway.port('web')}`] })
    for (const release of held) release()
    expect(new Set(await Promise.all(statuses))).toEqual(new Set([200]))
  })

  it('keeps the old configuration when the new one is refused, and says why', async () => {
    const backend = await echoBackend()
    const gateway = await share(httpConfig([backend.port]))
    writeFileSync(join(gateway.folder, 'gateway.json'), '{ "listeners": }')
    gateway.process.child.kill('SIGHUP')
    const refusal = await gateway.record(({ msg }) => String(msg).startsWith('reload rejected'))
    expect(refusal.problems).toEqual([expect.stringContaining('gateway.json')])
    expect((await send(gateway.port('web'), '/')).status).toBe(200)
  })

  it('drains on SIGTERM: what is in flight finishes, nothing new is taken, exit code 0', async () => {
    let release: (() => void) | undefined
    const backend = await httpBackend((_request, response) => {
      release = () => response.end('done')
    })
    const { process: gateway, ...running } = await startGateway(alone(httpConfig([backend.port])))
    const port = running.port('web')
    const answer = send(port, '/')
    await until('the request to be in flight', () => release)
    gateway.child.kill('SIGTERM')
    await until('the drain', () => gateway.stdout().includes('"msg":"draining"'))
    // The supervisor says so first; its worker closes the listener when it hears of it.
    expect(String(await refusal(port))).toContain('ECONNREFUSED')
    release!()
    expect((await answer).body).toBe('done')
    expect(await gateway.exited).toEqual({ code: 0, signal: null })
    expect(gateway.stdout()).toContain('"msg":"request"')
  })

  it('ends at once on a second SIGTERM', async () => {
    let asked = false
    const backend = await httpBackend(() => {
      asked = true
    })
    const { process: gateway, port } = await startGateway(alone(httpConfig([backend.port])))
    const answer = send(port('web'), '/').catch(() => 'ended')
    await until('the request to be in flight', () => asked)
    gateway.child.kill('SIGTERM')
    await until('the drain', () => gateway.stdout().includes('"msg":"draining"'))
    gateway.child.kill('SIGTERM')
    expect(await answer).toBe('ended')
    expect((await gateway.exited).code).toBe(1)
  })

  it('says how many requests a drain has cut off', async () => {
    let asked = 0
    const backend = await httpBackend(() => void asked++)
    const config = { ...(httpConfig([backend.port]) as object), drain: '100ms', log: { level: 'error' } } as Json
    const env = { POSTERN_LOG_LEVEL: 'info' }
    const { process: gateway, port, record } = await startGateway(alone(config), {}, { env })
    const answers = [0, 1].map(() => send(port('web'), '/').catch(() => 'ended'))
    await until('the requests to be in flight', () => asked === 2)
    gateway.child.kill('SIGTERM')
    expect(await Promise.all(answers)).toEqual(['ended', 'ended'])
    expect(await record(({ msg }) => msg === 'drained')).toMatchObject({ cutOff: 2 })
    expect((await gateway.exited).code).toBe(0)
  })

  it('never starts half a gateway: a bad configuration exits with 3', async () => {
    const folder = gatewayFolder(httpConfig([1], { routes: { all: { upstream: 'nowhere' } } }))
    const gateway = postern(['run', '-c', 'gateway.json'], { cwd: folder })
    expect((await gateway.exited).code).toBe(3)
    expect(gateway.stderr()).toMatch(/gateway\.json:1:\d+ routes\.all\.upstream: there is no upstream "nowhere"/)
  })

  it('exits with 3 when the file is missing', async () => {
    const gateway = postern(['run', '-c', 'missing.json'])
    expect((await gateway.exited).code).toBe(3)
    expect(gateway.stderr()).toContain('missing.json')
  })

  it('exits with 3 without a configuration, runs no example, and says the same in the log', async () => {
    const gateway = postern([], { cwd: mkdtempSync(join(tmpdir(), 'postern-empty-')) })
    expect((await gateway.exited).code).toBe(3)
    expect(gateway.stderr()).toMatch(/gateway\.json: the file does not exist.*\npostern demo runs an example/)
    expect(gateway.log()).toMatchObject([
      { level: 'error', msg: 'start failed', problems: [expect.stringContaining('gateway.json')] },
    ])
  })

  it('refuses far too many workers', async () => {
    const gateway = postern(['--workers', '250'], { cwd: gatewayFolder(httpConfig([1])) })
    expect((await gateway.exited).code).toBe(1)
    expect(gateway.stderr()).toMatch(/250 workers are too many: this host has \d+ cores?; use at most \d+/)
  })

  it('says which address is taken, and exits with 1', async () => {
    const backend = await echoBackend()
    const config = httpConfig([backend.port], { listeners: { web: { port: backend.port } } })
    const gateway = postern(['run', '-c', join(gatewayFolder(config), 'gateway.json')])
    expect((await gateway.exited).code).toBe(1)
    expect(gateway.stderr()).toContain(`listener "web" cannot listen on 127.0.0.1 port ${backend.port}`)
  })
})

describe('the command line', () => {
  it('check prints a useful line for each of five different mistakes and exits with 3', async () => {
    const config = {
      listeners: { web: { port: 8080 }, db: { protocol: 'tcp', port: 5432 } },
      routes: {
        orders: { listener: 'web', upstream: 'orderz' },
        database: { listener: 'db', match: { path: '/x' }, upstream: 'rows' },
      },
      upstreams: {
        orders: { backends: [{ address: '127.0.0.1:9001' }], balanse: 'round-robin' },
        rows: { protocol: 'tcp', backends: [{ address: '127.0.0.1:9002' }] },
      },
      policies: {
        keys: { plugin: 'key-auth', options: { keyz: {} } },
        secret: { plugin: 'sticky-cookie', options: { secret: '$' + '{env:NOT_SET}' } },
      },
    }
    const run = postern(['check', '-c', 'gateway.json'], { cwd: gatewayFolder(config) })
    expect((await run.exited).code).toBe(3)
    const text = run.stdout()
    expect(text).toMatch(
      /gateway\.json:1:\d+ routes\.orders\.upstream: there is no upstream "orderz"; did you mean "orders"\?/,
    )
    expect(text).toMatch(/routes\.database\.match.*tcp listeners see no path/)
    expect(text).toMatch(/upstreams\.orders.*balanse.*balance/)
    expect(text).toMatch(/policies\.keys\.options.*keyz.*keys/)
    expect(text).toMatch(/NOT_SET/)
  })

  it('version prints the version, an unknown command is a usage error', async () => {
    const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
      version: string
    }
    const printed = postern(['version'])
    expect((await printed.exited).code).toBe(0)
    expect(printed.stdout().trim()).toBe(version)
    const unknown = postern(['runn'])
    expect((await unknown.exited).code).toBe(64)
    expect(unknown.stderr()).toContain('Did you mean run?')
    expect(unknown.stderr()).toContain('(postern --help lists the commands)')
  })

  it('a script of the clone works where it was typed, and its errors name what was typed', async () => {
    const env = { npm_lifecycle_event: 'start', npm_package_name: 'postern' }
    const INIT_CWD = gatewayFolder(httpConfig([1]))
    const checked = postern(['check'], { cwd: root, env: { ...env, INIT_CWD } })
    expect((await checked.exited).code).toBe(0)
    expect(checked.stdout()).toContain('gateway.json: ok (1 listener, 1 route, 1 upstream, 0 policies)')
    const wrong = postern(['check', '--oops'], { cwd: root, env })
    expect((await wrong.exited).code).toBe(64)
    expect(wrong.stderr()).toContain('(npm start -- --help lists the commands)')
  })

  it('schema prints a JSON Schema that knows the options of the plugins', async () => {
    const run = postern(['schema'])
    expect((await run.exited).code).toBe(0)
    const text = run.stdout()
    expect(JSON.parse(text)).toHaveProperty('properties.listeners')
    expect(text).toContain('Request header that carries the key')
  })
})
