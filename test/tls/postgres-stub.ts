import type { Socket } from 'node:net'
import { createSecureContext, type TLSSocket, TLSSocket as Tls, type TlsOptions } from 'node:tls'
import { type TestBackend, tcpBackend } from '../helpers/backend.ts'

export const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
export const gssRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30])

/** A first message without encryption, as far as a proxy reads it. */
export const startup = Buffer.concat([Buffer.from([0, 0, 0, 20, 0, 3, 0, 0]), Buffer.from('user\0me\0\0\0\0\0')])

export interface StubDatabase extends TestBackend {
  /** All that came in clear besides requests for TLS. */
  readonly clear: Buffer[]
  /** Connections over TLS. */
  readonly secured: TLSSocket[]
}

/** A database that answers SSLRequest with these bytes, and after an `S` speaks TLS and sends back all that it gets. */
export async function stubDatabase(answer: string, options: TlsOptions): Promise<StubDatabase> {
  const clear: Buffer[] = []
  const secured: TLSSocket[] = []
  const secureContext = createSecureContext(options)
  const begin = (socket: Socket): void => {
    const tls = new Tls(socket, { isServer: true, secureContext, ALPNProtocols: ['postgresql'] })
    tls.on('error', () => {})
    tls.on('secure', () => secured.push(tls))
    tls.pipe(tls)
  }
  const backend = await tcpBackend((socket) => {
    socket.on('end', () => socket.end())
    const read = (bytes: Buffer): void => {
      if (!bytes.equals(sslRequest)) return void clear.push(bytes)
      if (answer.startsWith('S')) socket.off('data', read).pause()
      socket.write(answer, 'latin1', () => {
        if (answer.startsWith('S')) begin(socket)
      })
    }
    socket.on('data', read)
  })
  return { ...backend, clear, secured }
}
