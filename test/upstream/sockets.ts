import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createSecureContext, type SecureVersion, TLSSocket, connect as tlsConnect } from 'node:tls'
import { expect } from 'vitest'
import type { ByteStream } from '../../core/net/byte-stream.ts'
import { connectTo } from '../../core/net/connect.ts'
import { DuplexStream, SocketReader } from '../../core/net/duplex-stream.ts'
import { areRawSocketsUsable, checkRawSockets } from '../../core/net/raw-check.ts'
import { RawSocket } from '../../core/net/raw-socket.ts'
import { RawTls } from '../../core/net/raw-tls.ts'
import { checkRawTls } from '../../core/net/raw-tls-check.ts'
import { streamOfTls } from '../../core/net/tls-stream.ts'

/** Listens on a free loopback port. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Kinds of streams: a raw socket, one of node with a reader, and one of node that emits `data`; TLS, on either side. */
export type Kind = 'raw' | 'reader' | 'events' | TlsKind
export type TlsKind = 'tls server' | 'tls client' | 'tls 1.2 server' | 'tls 1.2 client'

await checkRawSockets()
await checkRawTls()

/** Those of this run: `npm run test:matrix` is without raw sockets. */
export const tlsKinds: readonly TlsKind[] = ['tls server', 'tls client', 'tls 1.2 server', 'tls 1.2 client']
export const kinds: readonly Kind[] = [
  ...(areRawSocketsUsable() ? (['raw'] as const) : []),
  ...(['reader', 'events'] as const),
  ...tlsKinds,
]

/** Whether a reset is one at the other side, and is told from an end: TLS sockets of node can do neither. */
export function canReset(kind: Kind): boolean {
  return areRawSocketsUsable() || !tlsKinds.some((one) => one === kind)
}

/** Two ends of one TCP connection that allow half-open: the near one as a stream, the far one paused. */
export async function pair(kind: Kind = 'reader'): Promise<[near: ByteStream, far: Socket]> {
  if (kind.startsWith('tls')) return tlsPair(kind.endsWith('server'), kind.includes('1.2') ? 'TLSv1.2' : 'TLSv1.3')
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  const port = await listen(server)
  if (kind === 'raw') {
    const { promise, resolve } = Promise.withResolvers<ByteStream>()
    connectTo({ host: '127.0.0.1', port, address: 'far' }, 10_000, (_error, stream) => resolve(stream!))
    const [[far], near] = (await Promise.all([once(server, 'connection'), promise])) as [[Socket], ByteStream]
    expect(near).toBeInstanceOf(RawSocket)
    server.close()
    return [near, far]
  }
  const options = { port, host: '127.0.0.1', allowHalfOpen: true }
  const reader = kind === 'reader' ? new SocketReader() : undefined
  const socket = connect(reader === undefined ? options : { ...options, onread: reader.onread })
  const near = new DuplexStream(socket, reader)
  const [[far]] = (await Promise.all([once(server, 'connection'), once(socket, 'connect')])) as [[Socket], unknown]
  server.close()
  return [near, far]
}

const folder = join(import.meta.dirname, '../fixtures/tls')
export const key: Buffer = readFileSync(join(folder, 'key.pem'))
export const cert: Buffer = readFileSync(join(folder, 'cert.pem'))
const secureContext = createSecureContext({ key, cert })

/**
 * Both ends of one TLS connection on TCP connections that allow half-open, after the handshake.
 *
 * @param onSecure called in the middle of the server's handshake, when it has just been completed
 */
export async function tlsSockets(
  maxVersion: SecureVersion,
  onSecure?: (socket: TLSSocket) => void,
  session?: Buffer,
  onSession?: (session: Buffer) => void,
): Promise<{ server: TLSSocket; client: TLSSocket; accepted: Socket; connected: Socket }> {
  const listening = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  const port = await listen(listening)
  const connected = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const [accepted] = (await once(listening, 'connection')) as [Socket]
  listening.close()
  const server = new TLSSocket(accepted, { isServer: true, secureContext })
  const secured = once(server, 'secure')
  if (onSecure !== undefined) server.once('secure', () => onSecure(server))
  const options = { socket: connected, ca: cert, host: 'localhost', maxVersion, ...(session && { session }) }
  const client = tlsConnect(options)
  if (onSession !== undefined) client.on('session', onSession)
  await Promise.all([secured, once(client, 'secureConnect')])
  return { server, client, accepted, connected }
}

async function tlsPair(isServer: boolean, maxVersion: SecureVersion): Promise<[near: ByteStream, far: Socket]> {
  const { server, client, accepted, connected } = await tlsSockets(maxVersion)
  // The server's tickets are on their way.
  await new Promise((resolve) => setImmediate(resolve))
  const near = streamOfTls(isServer ? server : client)
  if (areRawSocketsUsable()) expect(near).toBeInstanceOf(RawTls)
  const far = isServer ? client : server
  const tcp = isServer ? connected : accepted
  below.set(far, tcp)
  far.on('error', () => {})
  // Node resets no socket that is TLS.
  far.resetAndDestroy = () => {
    tcp.resetAndDestroy()
    return far
  }
  return [near, far.pause()]
}

const below = new WeakMap<Socket, Socket>()

/** The TCP connection below the far end of a pair with TLS. */
export function tcpOf(far: Socket): Socket {
  return below.get(far)!
}

/** Everything a socket says until its end. */
export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.resume()
  if (!socket.readableEnded) await once(socket, 'end')
  return Buffer.concat(chunks).toString()
}

/** The code of the error that a socket ends with; `undefined` if it ends well. */
export async function errorOf(socket: Socket): Promise<string | undefined> {
  let code: string | undefined
  socket.on('error', (error: NodeJS.ErrnoException) => {
    code = error.code
  })
  socket.resume()
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
  return code
}

/** Waits for a condition; fails after ten seconds. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`still not so: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
