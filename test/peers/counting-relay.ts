import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { tcpBackend } from '../helpers/backend.ts'

/** Passes connections on to a port, and counts them: what a peer opens towards the gateway. */
export async function startCountingRelay(to: number): Promise<{ readonly port: number; readonly count: () => number }> {
  let count = 0
  const { port } = await tcpBackend((socket: Socket) => {
    count++
    const other = connect({ host: '127.0.0.1', port: to })
    const end = (): void => {
      socket.destroy()
      other.destroy()
    }
    socket.on('close', end)
    other.on('close', end)
    other.on('error', end)
    socket.pipe(other).pipe(socket)
  })
  return { port, count: () => count }
}
