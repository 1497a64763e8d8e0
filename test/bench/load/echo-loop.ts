import { connect, type Socket } from 'node:net'
import { percentile } from '../statistics.ts'
import { frameOf, readFrame } from './frames.ts'
import { type Load, type LoadResult, requestsOf } from './load.ts'

const message = Buffer.from('{"id":471,"text":"about as long as what a chat says"}')
/** Always the same: what masking is for concerns no bench. */
const frame = frameOf(message, Buffer.from('mask'))
const upgrade = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
}

/**
 * WebSockets that each send a small text message when the last one has come back. Each message is a request of the result;
 * another one than was sent is an error, and so is a connection that does not become a WebSocket or ends early.
 */
export function echoLoop(load: Load): Promise<LoadResult> {
  return new Promise((resolve) => {
    const [request = ''] = requestsOf({ ...load, headers: { ...load.headers, ...upgrade } })
    const sockets = new Set<Socket>()
    const latencies: number[] = []
    let errors = 0
    let bytes = 0
    let over = false
    const open = (): void => {
      const socket = connect({ host: '127.0.0.1', port: load.port, noDelay: true })
      let pending: Buffer = Buffer.alloc(0)
      let isOpen = false
      let sentAt = 0
      const send = (): void => {
        sentAt = performance.now()
        socket.write(frame)
      }
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        if (over) return
        errors++
        setTimeout(open, 10)
      })
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
        if (!isOpen) {
          const end = pending.indexOf('\r\n\r\n')
          if (end === -1) return
          if (!pending.toString('latin1').startsWith('HTTP/1.1 101 ')) return void socket.destroy()
          pending = pending.subarray(end + 4)
          isOpen = true
          return send()
        }
        const echo = readFrame(pending)
        if (echo === undefined || over) return
        if (!echo.payload.equals(message)) return void socket.destroy()
        pending = pending.subarray(echo.length)
        latencies.push((performance.now() - sentAt) * 1_000)
        send()
      })
      socket.write(request, 'latin1')
    }
    const began = performance.now()
    for (let i = 0; i < load.connections; i++) open()
    setTimeout(() => {
      over = true
      const seconds = (performance.now() - began) / 1_000
      for (const socket of sockets) socket.destroy()
      latencies.sort((a, b) => a - b)
      const p50 = percentile(latencies, 0.5)
      resolve({ requests: latencies.length, seconds, bytes, errors, p50, p99: percentile(latencies, 0.99) })
    }, load.seconds * 1_000)
  })
}
