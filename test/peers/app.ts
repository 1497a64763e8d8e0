import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { onTestFinished } from 'vitest'
import { content } from './content.ts'

/** A request as the application saw it. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  /** Of its body, once that has ended or has been cut short. */
  length: number
  sha256: string
  trailers: Record<string, string | undefined>
  state: 'under way' | 'complete' | 'cut short'
}

export interface App {
  readonly port: number
  readonly seen: Seen[]
  /** Connections ever accepted. */
  readonly connections: number
  /** Connections open right now. */
  readonly sockets: ReadonlySet<Socket>
  close(): Promise<void>
}

/** The last content that `/bytes` and its like gave was changed then. */
export const changed = 'Wed, 01 Jan 2025 00:00:00 GMT'

/**
 * An application on node:http. A path names what it answers with, the query `size` how much of it: `/bytes`, `/chunked`,
 * `/trailers`, `/closing` (ends with the connection), `/last` (says `Connection: close`), `/gzip`, `/empty` (204),
 * `/cached` (304 where the client has it), `/hints` (103 first), `/cut` (a third of what it announces),
 * `/endless`. What stands before the last part of the path does not count.
 */
export async function startApp(): Promise<App> {
  const seen: Seen[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request
    const hash = createHash('sha256')
    const one: Seen = { method, url, headers, length: 0, sha256: '', trailers: {}, state: 'under way' }
    seen.push(one)
    request.on('data', (chunk: Buffer) => {
      one.length += chunk.length
      hash.update(chunk)
    })
    request.on('close', () => {
      one.state = request.complete ? 'complete' : 'cut short'
    })
    request.on('error', () => {})
    request.on('end', () => {
      one.sha256 = hash.digest('hex')
      one.trailers = { ...request.trailers } as Seen['trailers']
      answer(request, response, one)
    })
  })
  server.on('connection', (socket: Socket) => {
    connections++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  // The kernel and a peer may keep their connections longer than a test takes.
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
  onTestFinished(close)
  const { port } = server.address() as AddressInfo
  return {
    port,
    seen,
    sockets,
    close,
    get connections() {
      return connections
    },
  }
}

type Answer = (response: ServerResponse, bytes: Buffer, request: IncomingMessage, seen: Seen) => void

const answers: Readonly<Record<string, Answer>> = {
  bytes: (response, bytes) => void response.setHeader('content-length', bytes.length).end(bytes),
  chunked: (response, bytes) => inParts(response, bytes),
  trailers(response, bytes) {
    response.setHeader('trailer', 'x-sum')
    response.addTrailers({ 'x-sum': 'right' })
    inParts(response, bytes)
  },
  closing(response, bytes) {
    response.shouldKeepAlive = false
    response.useChunkedEncodingByDefault = false
    response.removeHeader('transfer-encoding')
    inParts(response, bytes)
  },
  last: (response, bytes) =>
    void response.setHeader('connection', 'close').setHeader('content-length', bytes.length).end(bytes),
  gzip(response, bytes) {
    const packed = gzipSync(bytes)
    response.setHeader('content-encoding', 'gzip').setHeader('content-length', packed.length).end(packed)
  },
  empty: (response) => void response.writeHead(204).end(),
  cached(response, bytes, request) {
    response.setHeader('etag', '"one"').setHeader('last-modified', changed)
    if (request.headers['if-none-match'] === '"one"') return void response.writeHead(304).end()
    response.setHeader('content-length', bytes.length).end(bytes)
  },
  hints(response, bytes) {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' })
    response.setHeader('content-length', bytes.length).end(bytes)
  },
  cut(response, bytes) {
    response.setHeader('content-length', bytes.length)
    response.write(bytes.subarray(0, bytes.length / 3), () => response.destroy())
  },
  endless(response) {
    const part = content(16 * 1024)
    const more = (): void => {
      if (response.destroyed) return
      if (response.write(part)) setImmediate(more)
      else response.once('drain', more)
    }
    more()
  },
  echo: (response, _bytes, _request, seen) => void response.end(JSON.stringify(seen)),
}

function answer(request: IncomingMessage, response: ServerResponse, seen: Seen): void {
  const { pathname, searchParams } = new URL(seen.url, 'http://app')
  const name = pathname.slice(pathname.lastIndexOf('/') + 1)
  response.on('error', () => {})
  answers[name]?.(response, content(Number(searchParams.get('size') ?? 1000)), request, seen)
}

function inParts(response: ServerResponse, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; at += 10_000) response.write(bytes.subarray(at, at + 10_000))
  response.end()
}
