import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { type ProxyHeader, ProxyHeaderReader, type ProxyProblem } from '../../core/net/proxy-header.ts'
import { started, type TestBackend } from '../helpers/backend.ts'

/** A backend whose connections begin with a header of the PROXY protocol. */
export interface GreetedBackend extends TestBackend {
  /** What the headers of its connections said, in the order of the connections. */
  readonly headers: readonly (ProxyHeader | ProxyProblem)[]
  /** The headers as they came. */
  readonly raw: readonly Buffer[]
}

/** @param serve what follows the header: the socket, which gives the bytes behind it first, and what the header said. */
export async function greetedBackend(serve: (socket: Socket, header: ProxyHeader) => void): Promise<GreetedBackend> {
  const headers: (ProxyHeader | ProxyProblem)[] = []
  const raw: Buffer[] = []
  const server: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    const reader = new ProxyHeaderReader()
    const seen: Buffer[] = []
    const onReadable = (): void => {
      let bytes = socket.read() as Buffer | null
      while (bytes !== null) {
        seen.push(bytes)
        const header = reader.push(bytes)
        if (header !== undefined) return begin(header)
        bytes = socket.read() as Buffer | null
      }
    }
    const begin = (header: ProxyHeader | ProxyProblem): void => {
      socket.off('readable', onReadable)
      headers.push(header)
      const all = Buffer.concat(seen)
      raw.push(all.subarray(0, all.length - reader.rest.length))
      if ('problem' in header) return void socket.destroy()
      if (reader.rest.length > 0) socket.unshift(reader.rest)
      serve(socket, header)
    }
    socket.on('readable', onReadable)
  })
  return { ...(await started(server)), headers, raw }
}

/** Answers each connection with what the header says, as JSON, once the client has said something. */
export function tell(socket: Socket, header: ProxyHeader): void {
  socket.once('data', () => socket.write(`${JSON.stringify(header)}\n`))
  socket.on('end', () => socket.end())
  socket.resume()
}

/** Answers requests with what the header of their connection says. */
export function tellRequests(version: '1.1' | '2' = '1.1'): (socket: Socket, header: ProxyHeader) => void {
  const told = new WeakMap<Socket, ProxyHeader>()
  const answer: RequestListener = (request, response) => {
    response.setHeader('x-forwarded', String(request.headers['x-forwarded-for']))
    response.end(JSON.stringify(told.get(request.socket)))
  }
  const server = version === '1.1' ? createHttpServer(answer) : undefined
  const http2 = version === '2' ? createHttp2Server() : undefined
  return (socket, header) => {
    told.set(socket, header)
    if (server !== undefined) {
      server.emit('connection', socket)
      return void socket.resume()
    }
    http2!.once('session', (session) => {
      session.on('stream', (stream) => {
        stream.respond({ ':status': 200 })
        stream.end(JSON.stringify(header))
      })
    })
    http2!.emit('connection', socket)
  }
}

/** Speaks TLS behind the header. */
export function overTls(options: TlsOptions, serve: (socket: Socket, header: ProxyHeader) => void) {
  return (socket: Socket, header: ProxyHeader): void => {
    const server = createTlsServer(options, (secured) => serve(secured, header))
    server.on('tlsClientError', () => {})
    server.emit('connection', socket)
  }
}
