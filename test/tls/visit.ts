import { type ConnectionOptions, connect } from 'node:tls'

export interface Visit {
  /** The handshake resumed the session that was offered. */
  readonly resumed: boolean
  /** The last session that the server gave, to be offered at the next visit; `undefined`: none. */
  readonly session: Buffer | undefined
  /** DER of the certificate that the server showed, now or when the session began. */
  readonly certificate: Buffer | undefined
  /** All that the server sent; empty when the handshake failed. */
  readonly text: string
  readonly error: string | undefined
}

const request = 'GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'

/** One request on a TLS connection of its own; resolves whatever comes of it. */
export async function visit(port: number, options: ConnectionOptions): Promise<Visit> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ...options })
  let resumed = false
  let session: Buffer | undefined
  let certificate: Buffer | undefined
  let text = ''
  let error: string | undefined
  socket.on('session', (given: Buffer) => {
    session = given
  })
  socket.on('secureConnect', () => {
    resumed = socket.isSessionReused()
    certificate = socket.getPeerX509Certificate()?.raw
    // Of TLS 1.2 node tells only after a full handshake, while the server may have renewed the ticket.
    if (socket.getProtocol() === 'TLSv1.2') session = socket.getSession()
    socket.write(request)
  })
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  socket.on('error', (failure: NodeJS.ErrnoException) => {
    error = failure.code ?? failure.message
  })
  await new Promise((resolve) => socket.once('close', resolve))
  return { resumed, session, certificate, text, error }
}
