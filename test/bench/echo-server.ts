// A backend that speaks WebSocket, sends datagrams back, and holds calls of gRPC open: node echo-server.ts <port> <port for HTTP/2>
import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { createServer } from 'node:http'
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import { smallBody } from './backend.ts'
import { frameOf, readFrame } from './load/frames.ts'

/** RFC 6455 §1.3. */
const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const text = 1

const server = createServer((_request, response) => {
  const length = Buffer.byteLength(smallBody)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': length, 'x-backend': 'stable' })
  response.end(smallBody)
})
server.on('upgrade', ({ headers }, socket, head) => {
  const accept = createHash('sha1').update(`${headers['sec-websocket-key']}${guid}`).digest('base64')
  const fields = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}`
  let pending: Buffer = head
  socket.on('error', () => {})
  socket.on('end', () => socket.end())
  socket.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    const frames: Buffer[] = []
    for (let frame = readFrame(pending); frame !== undefined; frame = readFrame(pending)) {
      if (frame.opcode !== text) return void socket.end()
      frames.push(frameOf(frame.payload))
      pending = pending.subarray(frame.length)
    }
    if (frames.length > 0) socket.write(Buffer.concat(frames))
  })
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n\r\n`)
})
server.listen(Number(process.argv[2]), '127.0.0.1', 4_096)

const calls = createHttp2Server({ settings: { maxConcurrentStreams: 1_000 } })
calls.on('stream', (stream: ServerHttp2Stream) => {
  stream.on('error', () => {})
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'x-backend': 'stable' })
})
calls.on('sessionError', () => {})
calls.listen(Number(process.argv[3]), '127.0.0.1', 4_096)

const datagrams = createSocket('udp4')
datagrams.on('message', (message, { port, address }) => datagrams.send(message, port, address))
datagrams.bind(Number(process.argv[2]), '127.0.0.1')
