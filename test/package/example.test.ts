import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Example, exampleBackends, exampleLines, isExample, startExample } from '../../core/cli/example.ts'
import { read, root } from '../rules/sources.ts'
import { launch, portOf, type Running } from './command.ts'

interface GatewayFile {
  listeners: Record<string, { port: number }>
  upstreams: Record<string, { protocol?: 'tcp'; backends: { address: string }[] }>
}

const gatewayFile = (): GatewayFile => JSON.parse(read('gateway.json'))

test('the backends that it starts are those of gateway.json', () => {
  const named = Object.entries(gatewayFile().upstreams).flatMap(([upstream, { protocol = 'http', backends }]) =>
    backends.map(({ address }) => ({ upstream, protocol, port: Number(address.replace(/^127\.0\.0\.1:/, '')) })),
  )
  expect(exampleBackends).toEqual(named)
})

test('the example is told by what it says, not by where it is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-example-'))
  const file = join(folder, 'gateway.json')
  expect(isExample(join(root, 'gateway.json'))).toBe(true)
  writeFileSync(file, JSON.stringify(gatewayFile()))
  expect(isExample(file)).toBe(true)
  writeFileSync(file, read('gateway.json').replace('"/orders/*"', '"/other/*"'))
  expect(isExample(file)).toBe(false)
  expect(isExample(join(folder, 'missing.json'))).toBe(false)
  rmSync(folder, { recursive: true })
})

test('a port that is taken is named, and nothing is left running', async () => {
  const first = await startExample([{ upstream: 'orders', protocol: 'http', port: 0 }])
  const taken = { upstream: 'users', protocol: 'http', port: first.ports[0]! } as const
  await expect(startExample([taken])).rejects.toThrow(`127.0.0.1:${first.ports[0]}: the port is in use`)
  await first.close()
})

describe('the example gateway', () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-example-'))
  let example: Example
  let gateway: Running

  // The same file on free ports: the real ones may be in use on the machine that runs the tests.
  beforeAll(async () => {
    example = await startExample(exampleBackends.map((backend) => ({ ...backend, port: 0 })))
    const file = gatewayFile()
    for (const listener of Object.values(file.listeners)) listener.port = 0
    const backends = Object.values(file.upstreams).flatMap((upstream) => upstream.backends)
    for (const [index, backend] of backends.entries()) backend.address = `127.0.0.1:${example.ports[index]}`
    writeFileSync(join(folder, 'gateway.json'), JSON.stringify(file))
    cpSync(join(root, 'policies'), join(folder, 'policies'), { recursive: true })
    const command = [process.execPath, '--no-node-snapshot', join(root, 'core/main.ts'), 'run']
    gateway = launch([...command, '-c', join(folder, 'gateway.json')], { cwd: root })
    await portOf(gateway, 'web')
  }, 60_000)

  afterAll(async () => {
    await gateway?.stop('SIGKILL')
    await example?.close()
    rmSync(folder, { recursive: true })
  })

  const lines = exampleLines().map((line) => line.trim())
  const tries = lines.flatMap((line, index) => (line.startsWith('curl ') ? [[line, lines[index + 1]!] as const] : []))

  test.each(tries)('%s → %s', async (command, shows) => {
    const response = await curl(command, await portOf(gateway, 'web'))
    expect(`${response.status}`, response.body).toBe(shows.slice(0, 3))
    for (const upstream of shows.match(/(?<=upstream )[\w-]+/) ?? []) expect(response.body).toContain(upstream)
  })

  test('the budget is five a minute', async () => {
    const port = await portOf(gateway, 'web')
    const line = 'curl -i http://127.0.0.1:8080/limited'
    const other = "-H 'x-forwarded-for: 198.51.100.7'"
    const statuses: number[] = []
    for (let i = 0; i < 6; i++) statuses.push((await curl(`${line} ${other}`, port)).status)
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429])
  })

  test('the cookie keeps a client on one backend', async () => {
    const port = await portOf(gateway, 'web')
    const line = 'curl -i http://127.0.0.1:8080/orders/1'
    const first = await curl(line, port)
    const cookie = first.headers['set-cookie']![0]!.split(';')[0]
    const backendOf = (body: string): string => JSON.parse(body).backend
    for (let i = 0; i < 6; i++) {
      const next = await curl(`${line} -H 'cookie: ${cookie}'`, port)
      expect(backendOf(next.body)).toBe(backendOf(first.body))
    }
  })

  test('the backend learns who is calling, and not by which key', async () => {
    const line = "curl -i http://127.0.0.1:8080/users/42 -H 'x-api-key: demo-key-alice' -H 'x-consumer: root'"
    const { body } = await curl(line, await portOf(gateway, 'web'))
    expect(JSON.parse(body)).toMatchObject({ upstream: 'users', consumer: 'alice', path: '/users/42' })
  })

  test('TCP is echoed', async () => {
    const socket = connect(await portOf(gateway, 'echo'), '127.0.0.1')
    socket.end('hello')
    let text = ''
    for await (const chunk of socket.setEncoding('utf8')) text += chunk
    expect(text).toBe('hello')
  })

  test('SIGTERM ends it well', async () => {
    expect(await gateway.stop('SIGTERM')).toBe(0)
  })
})

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Does what the curl line says, on another port. */
function curl(line: string, port: number): Promise<Answer> {
  const { pathname } = new URL(line.match(/http:\/\/\S+/)![0])
  const headers = Object.fromEntries(
    [...line.matchAll(/-H '([^:]+): ([^']*)'/g)].map(([, name, value]) => [name, value]),
  )
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path: pathname, headers, agent: false }, async (response) => {
      let body = ''
      for await (const chunk of response.setEncoding('utf8')) body += chunk
      resolve({ status: response.statusCode!, headers: response.headers, body })
    })
    outgoing.on('error', reject).end()
  })
}
