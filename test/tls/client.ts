import { createServer } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { onTestFinished } from 'vitest'

/** A TLS connection after its handshake, or why there is none; ended when the test is over. */
export function openTls(
  port: number,
  options: ConnectionOptions & { allowHalfOpen?: boolean } = {},
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ...options })
    onTestFinished(() => void socket.destroy())
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      socket.off('error', reject)
      socket.on('error', () => {})
      resolve(socket)
    })
  })
}

/** One request on a connection of its own; all that comes until it ends. */
export async function request(
  port: number,
  options: ConnectionOptions = {},
  text = 'GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
): Promise<string> {
  const socket = await openTls(port, options)
  const answer = new Promise<string>((resolve) => {
    let all = ''
    socket.on('data', (bytes: Buffer) => {
      all += bytes.toString('latin1')
    })
    socket.on('close', () => resolve(all))
  })
  socket.write(text)
  return answer
}

/** The ClientHello that OpenSSL sends. */
export function helloOf(options: ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.once('data', (bytes: Buffer) => {
        resolve(bytes)
        socket.destroy()
        server.close()
      })
    })
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options }).on('error', () => {})
    })
  })
}
