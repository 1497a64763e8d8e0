import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { open } from '../helpers/client.ts'

/** The first flight of a client, as node makes it: one record with a ClientHello. */
export async function clientHello(options: ConnectionOptions = {}): Promise<Buffer> {
  const hello = await new Promise<Buffer>((resolve) => {
    const wire = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        resolve(chunk)
        done()
      },
    })
    connect({ socket: wire, servername: 'localhost', ...options }).on('error', () => {})
  })
  return Buffer.from(hello)
}

/** Kinds of records, and what an alert says (RFC 8446 §6). */
export interface Alert {
  readonly level: number
  readonly description: number
}

/** The alerts that a server sent in the clear, as it does before keys are agreed upon. */
export function alertsIn(bytes: Buffer): Alert[] {
  const alerts: Alert[] = []
  for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) {
    if (bytes[at] === 21 && bytes.readUInt16BE(at + 3) === 2) {
      alerts.push({ level: bytes[at + 5]!, description: bytes[at + 6]! })
    }
  }
  return alerts
}

export interface CutConnection {
  readonly socket: TLSSocket
  /** What is below it. */
  readonly tcp: Socket
  /** No more than so many bytes leave from now on. */
  cut(bytes: number): void
}

/** A TLS connection that can stop in the middle of a record. */
export async function openCut(
  port: number,
  { onKeys, ...options }: ConnectionOptions & { onKeys?: (line: string) => void },
): Promise<CutConnection> {
  const tcp = await open(port)
  let left = Number.POSITIVE_INFINITY
  const wire = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      const part = chunk.subarray(0, left)
      left -= part.length
      if (part.length > 0) tcp.write(part)
      done()
    },
  })
  tcp.on('data', (chunk: Buffer) => wire.push(chunk))
  tcp.on('end', () => wire.push(null))
  const socket = connect({ socket: wire, servername: 'localhost', ...options })
  socket.on('error', () => {})
  if (onKeys !== undefined) socket.on('keylog', (line: Buffer) => onKeys(line.toString()))
  await new Promise((resolve) => socket.once('secureConnect', resolve))
  return {
    socket,
    tcp,
    cut: (bytes) => {
      left = bytes
    },
  }
}
