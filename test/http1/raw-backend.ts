import type { Socket } from 'node:net'
import { tcpBackend } from '../helpers/backend.ts'
import { carrier } from './transport.ts'

export interface RawBackend {
  readonly port: number
  readonly sockets: ReadonlySet<Socket>
  /** The exact bytes that came on each connection, in the order of connecting. */
  readonly seen: string[]
}

/** A backend without HTTP of its own: `onBytes` is told what a connection has brought so far, and answers as it likes. */
export async function rawBackend(onBytes: (socket: Socket, seen: string) => void): Promise<RawBackend> {
  const seen: string[] = []
  const { port, sockets } = await tcpBackend((socket) => {
    const index = seen.push('') - 1
    socket.on('data', (chunk: Buffer) => {
      seen[index] += chunk.toString('latin1')
      onBytes(socket, seen[index]!)
    })
    socket.on('end', () => socket.end())
  }, carrier().createServer)
  return { port, sockets, seen }
}

/** Answers every request that has no body with the same bytes. */
export function answering(bytes: string): Promise<RawBackend> {
  return rawBackend((socket, seen) => {
    if (seen.endsWith('\r\n\r\n')) socket.write(bytes, 'latin1')
  })
}

export interface Received {
  text: string
  /** How the other side ended, once it has; an end that anybody could have caused counts as a reset. */
  end: 'fin' | 'reset' | undefined
}

/** What arrives at a client, as it arrives. */
export function collect(socket: Socket): Received {
  const got: Received = { text: '', end: undefined }
  socket.on('data', (chunk: Buffer) => {
    got.text += chunk.toString('latin1')
  })
  socket.on('end', () => {
    got.end ??= carrier().isCut(socket) ? 'reset' : 'fin'
  })
  socket.on('error', () => {
    got.end ??= 'reset'
  })
  return got
}

/** Without the one line that differs from second to second. */
export function dateless(text: string): string {
  return text.replace(/date: [^\r]*GMT\r\n/g, '')
}

export const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
