import { readFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { onTestFinished } from 'vitest'
import { PosternError } from '../../core/errors.ts'
import { connectSocket } from '../../core/net/connect.ts'
import { streamOfTls } from '../../core/net/tls-stream.ts'
import type { Transport } from './transport.ts'
import { Wire } from './wire.ts'

const folder = join(import.meta.dirname, '../fixtures/tls')
const key = readFileSync(join(folder, 'key.pem'))
const cert = readFileSync(join(folder, 'cert.pem'))

const verified = { ca: cert, host: '127.0.0.1', allowHalfOpen: true } as const

/** The TCP connections under the TLS sockets of these tests. */
const below = new WeakMap<Socket, Socket>()
const cut = new WeakSet<Socket>()

/** TLS with the certificate of test/fixtures/tls, which both sides of the codec verify. */
export const tls: Transport = {
  async listen(accept) {
    const options = { allowHalfOpen: true, noDelay: true }
    const server = tls.createServer(options, (socket) => accept(streamOfTls(socket as TLSSocket)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return server
  },

  createServer(options, onSocket) {
    const fresh = new Map<number, Socket>()
    const server = createServer({ ...options, key, cert }, (socket) => {
      below.set(socket, fresh.get(socket.remotePort!)!)
      fresh.delete(socket.remotePort!)
      onSocket(socket)
    })
    server.on('connection', (socket: Socket) => fresh.set(socket.remotePort!, socket))
    server.on('tlsClientError', () => {})
    return server
  },

  connectTo(backend, timeout, done) {
    let secure: TLSSocket | undefined
    const connecting = connectSocket(backend, timeout, (error, socket) => {
      if (socket === undefined) return done(error, undefined)
      const tls = connect({ ...verified, socket })
      secure = tls
      below.set(secure, socket)
      secured(secure, (failure) =>
        failure === undefined
          ? done(undefined, streamOfTls(tls))
          : done(new PosternError('UF', failure.message), undefined),
      )
    })
    const cancel = (): void => {
      connecting.cancel()
      secure?.destroy()
    }
    return { cancel }
  },

  open(port) {
    const socket = connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true })
    const secure = connect({ ...verified, socket: new Wire(socket) as unknown as Socket })
    onTestFinished(() => void socket.destroy())
    below.set(secure, socket)
    // With close_notify the end comes out of TLS before TCP's does.
    socket.prependListener('end', () => {
      if (!secure.readableEnded) cut.add(secure)
    })
    return new Promise((resolve, reject) => {
      secured(secure, (failure) => (failure === undefined ? resolve(secure) : reject(failure)))
      secure.on('error', () => {})
    })
  },

  reset: (socket) => void below.get(socket)!.resetAndDestroy(),
  writeAndReset: (socket, text) => {
    const tcp = below.get(socket)!
    const write = tcp.write.bind(tcp) as (chunk: Buffer) => boolean
    tcp.write = (chunk: Buffer) => {
      const isEmpty = write(chunk)
      tcp.resetAndDestroy()
      return isEmpty
    }
    socket.write(text)
  },
  isCut: (socket) => cut.has(socket),
}

/** Calls back once, when the handshake is over. */
function secured(socket: TLSSocket, done: (error: Error | undefined) => void): void {
  const settle = (error?: Error): void => {
    socket.off('error', settle)
    socket.off('secureConnect', settle)
    done(error)
  }
  socket.once('error', settle)
  socket.once('secureConnect', settle)
}
