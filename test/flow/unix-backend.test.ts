import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { drained, open } from '../helpers/client.ts'
import { type Json, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { selfSigned } from '../tls/certificates.ts'
import { exchange } from './wire.ts'

/** @returns address of the backend */
async function listening(server: Server): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-unix-'))
  onTestFinished(() => {
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const path = join(folder, 'app.sock')
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return `unix:${path}`
}

function config(
  protocol: string,
  address: string,
  upstream: { [key: string]: Json } = {},
  route: { [key: string]: Json } = {},
): Json {
  return {
    listeners: { web: { protocol, address: '127.0.0.1', port: 0 } },
    routes: { all: { listener: 'web', upstream: 'app', ...route } },
    upstreams: { app: { protocol, backends: [{ address }], ...upstream } },
  }
}

const request = (body: string): string =>
  `POST /x HTTP/1.1\r\nhost: shop.example\r\ncontent-length: ${body.length}\r\n\r\n${body}`

test('requests go to a Unix socket, and so do probes', async () => {
  const seen: string[] = []
  const echo: RequestListener = (asked, response) => {
    seen.push(`${asked.method} ${asked.url} ${asked.headers.host}`)
    response.writeHead(asked.url === '/healthz' ? 200 : 201)
    asked.pipe(response)
  }
  const address = await listening(createHttpServer(echo))
  const health = { path: '/healthz', interval: '500ms' }
  const gateway = await startInProcess(config('http', address, { health }, { rewrite: { host: 'backend' } }))
  const body = 'a'.repeat(100_000)
  const { text } = await exchange(gateway.port('web'), request(body), '\r\n0\r\n\r\n')
  expect(text.split('a').length).toBeGreaterThan(100_000)
  expect(text).toMatch(/^HTTP\/1\.1 201 /)
  expect(await gateway.record(({ msg }) => msg === 'request')).toMatchObject({ backend: address, status: 201 })
  await until('a probe', () => seen.includes('GET /healthz localhost'))
  expect(seen).toContain('POST /x localhost')
})

test('connections are forwarded to a Unix socket with their half-close', async () => {
  const address = await listening(
    createServer({ allowHalfOpen: true }, (socket) => {
      let heard = ''
      socket.on('error', () => {})
      socket.on('data', (chunk) => (heard += chunk.toString()))
      socket.on('end', () => socket.end(`heard ${heard}`))
    }),
  )
  const gateway = await startInProcess(config('tcp', address))
  const client = await open(gateway.port('web'))
  const answer = drained(client)
  client.end('hello')
  expect(await answer).toBe('heard hello')
})

test('TLS works over it, for the name localhost unless another is given', async () => {
  const own = selfSigned({ names: ['localhost'] })
  const server = createTlsServer(
    { cert: own.cert, key: own.key },
    (socket) => void socket.on('error', () => {}).end('secret'),
  )
  const address = await listening(server)
  const gateway = await startInProcess(config('tcp', address, { tls: { ca: 'ca.pem' } }), { 'ca.pem': own.cert })
  expect(await drained(await open(gateway.port('web')))).toBe('secret')
})

test('a path where no one listens is a backend that cannot be reached', async () => {
  const gateway = await startInProcess(config('http', 'unix:/tmp/postern-nothing.sock', { health: false }))
  const { text } = await exchange(gateway.port('web'), request(''), /\r\n\r\n/)
  expect(text).toMatch(/^HTTP\/1\.1 502 /)
  expect(await gateway.record(({ msg }) => msg === 'request')).toMatchObject({ outcome: 'UF' })
})
