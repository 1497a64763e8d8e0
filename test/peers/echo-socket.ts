import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { onTestFinished } from 'vitest'

export interface EchoSocket {
  readonly port: number
  /** Of each handshake. */
  readonly headers: IncomingMessage['headers'][]
  /** Connections that were upgraded and are open. */
  readonly sockets: ReadonlySet<Socket>
}

/** A WebSocket server that sends back what it gets (RFC 6455); anything else it answers with 426. */
export async function startEchoSocket(): Promise<EchoSocket> {
  const headers: IncomingMessage['headers'][] = []
  const sockets = new Set<Socket>()
  const server = createServer((_request, response) => void response.writeHead(426).end())
  server.on('upgrade', (request: IncomingMessage, socket: Socket, ahead: Buffer) => {
    headers.push(request.headers)
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
    let waiting: Buffer = ahead
    const take = (): void => {
      for (let size = frameSize(waiting); size !== undefined && size <= waiting.length; size = frameSize(waiting)) {
        socket.write(unmasked(waiting.subarray(0, size)))
        const isClose = (waiting[0]! & 0x0f) === 8
        waiting = waiting.subarray(size)
        if (isClose) socket.end()
      }
    }
    socket.on('data', (chunk: Buffer) => {
      waiting = Buffer.concat([waiting, chunk])
      take()
    })
    socket.on('end', () => socket.end())
    take()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
    for (const socket of sockets) socket.destroy()
  })
  return { port: (server.address() as AddressInfo).port, headers, sockets }
}

/** Of the first frame, mask included; `undefined` while that cannot be told. */
function frameSize(bytes: Buffer): number | undefined {
  const start = maskAt(bytes)
  if (start === undefined || bytes.length < start) return undefined
  const short = bytes[1]! & 0x7f
  const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short
  return start + 4 + length
}

function maskAt(bytes: Buffer): number | undefined {
  if (bytes.length < 2) return undefined
  const short = bytes[1]! & 0x7f
  return short === 127 ? 10 : short === 126 ? 4 : 2
}

/** The same frame as a server sends it. */
function unmasked(frame: Buffer): Buffer {
  const start = maskAt(frame)!
  const mask = frame.subarray(start, start + 4)
  const head = Buffer.from(frame.subarray(0, start))
  head[1] = head[1]! & 0x7f
  const payload = Buffer.from(frame.subarray(start + 4))
  for (let i = 0; i < payload.length; i++) payload[i] = payload[i]! ^ mask[i & 3]!
  return Buffer.concat([head, payload])
}
