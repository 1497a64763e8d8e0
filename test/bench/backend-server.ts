// The backend where there is no nginx: node backend-server.ts <port> <port>
import { createServer } from 'node:net'
import { files, smallBody } from './backend.ts'

const ports = process.argv.slice(2).map(Number)
for (const [index, port] of ports.entries()) {
  const name = index === 0 ? 'stable' : 'beta'
  const answer = (body: Buffer): Buffer => {
    const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nx-backend: ${name}`
    return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), body])
  }
  const small = answer(Buffer.from(smallBody))
  const large = new Map(Object.entries(files).map(([path, length]) => [path, answer(Buffer.alloc(length, 'x'))]))
  const server = createServer({ noDelay: true }, (socket) => {
    let text = ''
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      // No request of the bench has a body.
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end)
        text = text.slice(end + 4)
        socket.write(large.get(head.split(' ', 2)[1] ?? '') ?? small)
        if (/\r\nconnection: *close/i.test(head)) socket.end()
      }
    })
  })
  server.listen(port, '127.0.0.1', 4_096)
}
