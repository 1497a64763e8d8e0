import { existsSync, linkSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { echoBackend, tcpBackend } from '../helpers/backend.ts'
import { drained } from '../helpers/client.ts'
import { type Json, startGateway, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-unix-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

interface Answer {
  readonly status: number
  readonly body: { readonly headers: Record<string, string>; readonly url: string }
}

function get(socketPath: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/x', headers: { host: 'shop.example' }, agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }))
    })
    asked.on('error', reject).end()
  })
}

function config(path: string, port: number, listener: { [key: string]: Json } = {}, protocol = 'http'): Json {
  return {
    listeners: { web: { protocol, address: `unix:${path}`, ...listener } },
    routes: { all: { listener: 'web', upstream: 'app' } },
    upstreams: { app: { protocol, backends: [{ address: `127.0.0.1:${port}` }], health: false } },
  }
}

describe('a listener at a Unix socket', () => {
  test('serves requests of clients without an address', async () => {
    const backend = await echoBackend()
    const path = join(newFolder(), 'gw.sock')
    const gateway = await startInProcess(config(path, backend.port, { mode: '0600' }))
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const { status, body } = await get(path)
    expect(status).toBe(200)
    expect(body.headers).toMatchObject({
      'x-forwarded-for': 'unknown',
      forwarded: 'for=unknown;host=shop.example;proto=http',
    })
    expect(body.headers).not.toHaveProperty('x-real-ip')
    expect(await gateway.record(({ msg }) => msg === 'request')).toMatchObject({ client: '', status: 200 })
    await gateway.drain()
    expect(existsSync(path)).toBe(false)
  })

  test('forwards connections', async () => {
    const backend = await tcpBackend((socket) => void socket.pipe(socket))
    const path = join(newFolder(), 'gw.sock')
    await startInProcess(config(path, backend.port, {}, 'tcp'))
    const client = connect(path)
    const answer = drained(client)
    client.end('x'.repeat(100_000))
    expect((await answer).length).toBe(100_000)
  })

  test('replaces the path of one that has died, and nothing else', async () => {
    const backend = await echoBackend()
    const folder = newFolder()
    const stale = join(folder, 'stale.sock')
    // Its path stays, as after a kill.
    const dead = createServer()
    await new Promise<void>((resolve) => dead.listen(join(folder, 'dead.sock'), resolve))
    linkSync(join(folder, 'dead.sock'), stale)
    await new Promise((resolve) => dead.close(resolve))
    await startInProcess(config(stale, backend.port))
    expect((await get(stale)).status).toBe(200)
    await expect(startInProcess(config(stale, backend.port))).rejects.toThrow(
      `listener "web" cannot listen on unix:${stale}: another process is already listening on it`,
    )
    expect((await get(stale)).status).toBe(200)
    const file = join(folder, 'file')
    writeFileSync(file, 'mine')
    await expect(startInProcess(config(file, backend.port))).rejects.toThrow(
      'a file that is not a socket has this path',
    )
    await expect(startInProcess(config(join(folder, 'no', 'gw.sock'), backend.port))).rejects.toThrow('no such folder')
  })

  test('is one socket for all workers, and outlives each of them', async () => {
    const backend = await echoBackend()
    const path = join(newFolder(), 'gw.sock')
    const gateway = await startGateway(config(path, backend.port))
    expect(gateway.process.stderr()).toContain(`listener "web": http on unix:${path}, 1 route`)
    const first = await until('a worker', () => gateway.log.find(({ msg }) => msg === 'worker started'))
    process.kill(Number(first.pid), 'SIGKILL')
    for (let i = 0; i < 20; i++) expect((await get(path)).status).toBe(200)
    await until('another worker', () => gateway.log.filter(({ msg }) => msg === 'worker started').length === 3)
    await gateway.reload(config(path, backend.port, { timeouts: { keepAlive: '10s' }, mode: '0600' }))
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect((await get(path)).status).toBe(200)
    gateway.process.child.kill('SIGTERM')
    await until('the end', () => gateway.process.ended())
    expect(existsSync(path)).toBe(false)
  })
})
