import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { SocketReader } from '../../core/net/socket-reader.ts'

/** Listens on a free loopback port. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Two ends of one TCP connection, both paused and allowing half-open; the near one reads with the reader given. */
export async function pair(reader?: SocketReader): Promise<[near: Socket, far: Socket]> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  const port = await listen(server)
  const options = { port, host: '127.0.0.1', allowHalfOpen: true }
  const near = connect(reader === undefined ? options : { ...options, onread: reader.onread })
  reader?.bind(near)
  near.pause()
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [[Socket], unknown]
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
