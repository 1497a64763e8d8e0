import { spawn } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { httpConfig, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { type App, startApp } from '../peers/app.ts'
import { content, digest } from '../peers/content.ts'
import { curl } from '../peers/curl.ts'
import { exchangeAll } from '../peers/exchanges.ts'
import { startHaproxy } from '../peers/haproxy.ts'
import { describeWith } from '../peers/needs.ts'
import { nginxProxyTo, startNginx } from '../peers/nginx.ts'
import type { Peer } from '../peers/peer.ts'
import { uploadFile } from '../peers/upload-file.ts'

const http2 = ['--http2-prior-knowledge']

interface Front {
  readonly gateway: TestGateway
  readonly port: number
}

/** A gateway that speaks both versions to clients. @param version what it speaks to the backend */
async function startFront(backend: number, version: '1.1' | '2'): Promise<Front> {
  const sections = { listeners: { web: { http: ['1.1', '2'] } }, upstreams: { app: { http: version } } }
  const gateway = await startInProcess(httpConfig([backend], sections))
  return { gateway, port: gateway.port('web') }
}

function requests({ log }: TestGateway): Record<string, unknown>[] {
  return log.filter(({ msg }) => msg === 'request')
}

/** Fails unless every request of the application has its record, and none went wrong. */
async function expectClean(gateway: TestGateway, app: App): Promise<void> {
  await until('the records', () => requests(gateway).length === app.seen.length)
  expect(requests(gateway).filter(({ outcome }) => outcome !== '')).toEqual([])
}

/** Output of a program that ends by itself. */
function run(command: string, args: readonly string[]): Promise<{ code: number; output: Buffer; said: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 })
    const chunks: Buffer[] = []
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code: code ?? -1, output: Buffer.concat(chunks), said }))
  })
}

describeWith(['curl'], 'curl over HTTP/2 → gateway → application', () => {
  test('every kind of exchange, byte for byte', async () => {
    const app = await startApp()
    const { gateway, port } = await startFront(app.port, '1.1')
    await exchangeAll(port, app, '', http2)
    await expectClean(gateway, app)
  })
})

describeWith(['curl'], 'curl → gateway → HTTP/2 → gateway → application', () => {
  test.each([
    ['by HTTP/1.1', []],
    ['by HTTP/2', http2],
  ])('every kind of exchange, byte for byte, %s', async (_, options) => {
    const app = await startApp()
    const behind = await startFront(app.port, '1.1')
    const { gateway, port } = await startFront(behind.port, '2')
    await exchangeAll(port, app, '', options)
    await expectClean(gateway, app)
    expect(new Set(requests(behind.gateway).map(({ protocol }) => protocol))).toEqual(new Set(['HTTP/2']))
  })
})

describeWith(['nghttp', 'h2load'], 'nghttp2 → gateway → application', () => {
  test('nghttp gets and sends', async () => {
    const app = await startApp()
    const { gateway, port } = await startFront(app.port, '1.1')
    const to = `http://127.0.0.1:${port}`
    const got = await run('nghttp', [`${to}/bytes?size=1000000`])
    expect([got.code, digest(got.output)]).toEqual([0, digest(content(1_000_000))])
    const sent = await run('nghttp', ['-n', '-d', uploadFile(content(500_000)), `${to}/echo`])
    expect([sent.code, app.seen[1]!.length]).toEqual([0, 500_000])
    const trailers = await run('nghttp', ['-n', '-v', `${to}/trailers?size=100`])
    expect([trailers.code, trailers.said]).toEqual([0, ''])
    await expectClean(gateway, app)
  })

  test('h2load: 5,000 requests on 4 connections, none fails', async () => {
    const app = await startApp()
    const { port } = await startFront(app.port, '1.1')
    await load(port, 5_000)
  })
})

/** Has h2load make so many requests; fails unless each is answered with 200. */
async function load(port: number, count: number): Promise<void> {
  const args = ['-n', String(count), '-c', '4', '-m', '16', `http://127.0.0.1:${port}/bytes?size=126`]
  const { output } = await run('h2load', args)
  expect(output.toString()).toContain(`${count} succeeded, 0 failed, 0 errored, 0 timeout`)
  expect(output.toString()).toContain(`status codes: ${count} 2xx`)
}

describe.each(['nginx', 'haproxy'] as const)('%s over HTTP/2', (name) => {
  describeWith(['curl', name], 'with real programs', () => {
    test('as a backend: every kind of exchange, byte for byte', async () => {
      const app = await startApp()
      const peer = await behind[name](app.port)
      const { gateway, port } = await startFront(peer.port, '2')
      await exchangeAll(port, app, name === 'nginx' ? '/stream' : '')
      await exchangeAll(port, app, name === 'nginx' ? '/stream' : '', http2)
      await expectClean(gateway, app)
    })

    test('as a front: what it passes on arrives, and what comes back, too', async () => {
      const app = await startApp()
      const { gateway, port } = await startFront(app.port, '1.1')
      const peer = await front[name](port)
      if (name === 'haproxy') await exchangeAll(peer.port, app)
      else await exchangeSome(peer.port, app)
      await expectClean(gateway, app)
      expect(new Set(requests(gateway).map(({ protocol }) => protocol))).toEqual(new Set(['HTTP/2']))
    })
  })
})

const behind: Readonly<Record<'nginx' | 'haproxy', (app: number) => Promise<Peer>>> = {
  nginx(app) {
    const [server, http] = nginxProxyTo(app)
    return startNginx(server, http, 'http2')
  },
  haproxy: (app) => startHaproxy(app, [], false, 'proto h2'),
}

const front: Readonly<Record<'nginx' | 'haproxy', (gateway: number) => Promise<Peer>>> = {
  // Only its proxy for gRPC speaks HTTP/2 to backends; it takes any request.
  nginx: (gateway) => startNginx(`client_max_body_size 0; location / { grpc_pass grpc://127.0.0.1:${gateway}; }`),
  haproxy: (gateway) => startHaproxy(gateway, [], false, '', 'proto h2'),
}

async function exchangeSome(port: number, app: App): Promise<void> {
  expect(digest((await curl(port, '/bytes?size=300000')).body)).toBe(digest(content(300_000)))
  expect(digest((await curl(port, '/chunked?size=300000')).body)).toBe(digest(content(300_000)))
  expect((await curl(port, '/empty')).status).toBe(204)
  expect((await curl(port, '/echo', ['-T', uploadFile(content(300_000))])).status).toBe(200)
  expect(app.seen.at(-1)).toMatchObject({ length: 300_000, sha256: digest(content(300_000)), state: 'complete' })
}

describeWith(['nginx', 'h2load'], 'nginx that ends each connection after 50 requests', () => {
  test('none of 10,000 requests fails', async () => {
    const peer = await startNginx('keepalive_requests 50; location / { return 200 "ok"; }', '', 'http2')
    const { gateway, port } = await startFront(peer.port, '2')
    await load(port, 10_000)
    expect(requests(gateway).filter(({ outcome }) => outcome !== '')).toEqual([])
  })
})
