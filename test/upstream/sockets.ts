import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { expect } from 'vitest'
import type { ByteStream } from '../../core/net/byte-stream.ts'
import { connectTo } from '../../core/net/connect.ts'
import { DuplexStream, SocketReader } from '../../core/net/duplex-stream.ts'
import { areRawSocketsUsable, checkRawSockets } from '../../core/net/raw-check.ts'
import { RawSocket } from '../../core/net/raw-socket.ts'

/** Listens on a free loopback port. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Kinds of streams: a raw socket, one of node with a reader, and one of node that emits `data`. */
type Kind = 'raw' | 'reader' | 'events'

await checkRawSockets()

/** Those of this run: `npm run test:matrix` is without raw sockets. */
export const kinds: readonly Kind[] = areRawSocketsUsable() ? ['raw', 'reader', 'events'] : ['reader', 'events']

/** Two ends of one TCP connection that allow half-open: the near one as a stream, the far one paused. */
export async function pair(kind: Kind = 'reader'): Promise<[near: ByteStream, far: Socket]> {
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
