import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer, type Server, type ServerOpts, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type TlsOptions, Server as TlsServer } from 'node:tls'
import { afterAll, onTestFinished } from 'vitest'

export interface TestBackend {
  readonly port: number
  /** Connections open right now. */
  readonly sockets: ReadonlySet<Socket>
  close(): Promise<void>
}

let overTls: TlsOptions | undefined

/** From now on `httpBackend` and `tcpBackend` are over TLS. @param options what they show */
export function serveOverTls(options: TlsOptions): void {
  overTls = options
}

/** A real HTTP server on a free port; closed when the test is over. */
export function httpBackend(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<TestBackend> {
  if (overTls !== undefined) return httpsBackend(overTls, handler)
  return started(createHttpServer(handler as RequestListener))
}

/**
 * For the tests of a file, which take turns in one HTTP server: the first call starts it, and it closes after the last
 * test. A gateway that keeps its backends needs no reload from test to test, which costs a second of CPU.
 */
export function shareBackend(handler: RequestListener): () => Promise<TestBackend> {
  let shared: Promise<TestBackend> | undefined
  afterAll(async () => (await shared)?.close())
  return () => {
    shared ??= started(createHttpServer(handler), () => {})
    return shared
  }
}

/** Answers every request with JSON of what it saw. */
export function echoBackend(name = 'app'): Promise<TestBackend> {
  return httpBackend((request, response) => echo(request, response, name))
}

/** Answers a request with JSON of what came. */
export function echo(request: IncomingMessage, response: ServerResponse, name = 'app'): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const { method, url, headers, rawHeaders } = request
    const body = Buffer.concat(chunks).toString()
    response.setHeader('content-type', 'application/json')
    response.setHeader('x-backend', name)
    response.end(JSON.stringify({ name, method, url, headers, rawHeaders, body }))
  })
}

/**
 * A real TCP server, or one over it, on a free port; closed when the test is over, or `onFinished` says so. Sockets allow half-open
 * use.
 */
export function tcpBackend(
  handler: (socket: Socket) => void,
  create: (options: ServerOpts, handler: (socket: Socket) => void) => Server = createServer,
  onFinished: OnFinished = onTestFinished,
): Promise<TestBackend> {
  if (create === createServer && overTls !== undefined) return tlsBackend(overTls, handler, onFinished)
  return started(create({ allowHalfOpen: true }, handler), onFinished)
}

type OnFinished = (end: () => Promise<void>) => void

/** `httpBackend` over TLS. */
export function httpsBackend(
  options: TlsOptions,
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<TestBackend> {
  return started(createHttpsServer(options, handler as RequestListener))
}

/** `tcpBackend` over TLS. */
export function tlsBackend(
  options: TlsOptions,
  handler: (socket: TLSSocket) => void,
  onFinished: OnFinished = onTestFinished,
): Promise<TestBackend> {
  const below = new Map<number, Socket>()
  const server = createTlsServer({ allowHalfOpen: true, ...options } as TlsOptions, (socket) => {
    const tcp = below.get(socket.remotePort ?? 0)
    // Node refuses to reset a TLS socket.
    socket.resetAndDestroy = () => {
      tcp?.resetAndDestroy()
      return socket
    }
    handler(socket)
  })
  server.on('connection', (socket: Socket) => below.set(socket.remotePort ?? 0, socket))
  return started(server, onFinished)
}

let lastDead = 10_000 + (process.pid % 1_000) * 20

/**
 * A port on which nothing listens, below those that systems give out for port 0: one that was given out and freed may be
 * given to the next listener, the gateway under test itself.
 */
export async function deadPort(): Promise<number> {
  for (;;) {
    const port = ++lastDead
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer().once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (isFree) return port
  }
}

/** Makes a server listen on a free port of 127.0.0.1 until the test is over. */
export async function started(
  server: Server,
  onFinished: (close: () => Promise<void>) => void = onTestFinished,
): Promise<TestBackend> {
  const sockets = new Set<Socket>()
  // Under TLS also those whose handshake is not over.
  const all = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    all.add(socket)
    socket.on('close', () => all.delete(socket))
  })
  server.on('tlsClientError', () => {})
  server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      for (const socket of all) socket.destroy()
    })
  onFinished(close)
  return { port: (server.address() as AddressInfo).port, sockets, close }
}
