import { createSocket } from 'node:dgram'
import { percentile } from '../statistics.ts'
import type { Load, LoadResult } from './load.ts'

/** After this time a datagram counts as lost, and the next one is sent; ms. */
const patience = 1_000

const payload = Buffer.alloc(53, 'd')

/** Sends datagrams from `connections` sockets to a server that sends them back, one at a time from each. */
export function datagramLoop({ port, connections, seconds }: Load): Promise<LoadResult> {
  return new Promise((resolve) => {
    const latencies: number[] = []
    let bytes = 0
    let errors = 0
    const loops = Array.from({ length: connections }, () => {
      const socket = createSocket('udp4')
      let sentAt = 0
      const send = (): void => {
        sentAt = performance.now()
        socket.send(payload, port, '127.0.0.1')
      }
      socket.on('error', () => {})
      socket.on('message', (message) => {
        bytes += message.length
        latencies.push((performance.now() - sentAt) * 1_000)
        send()
      })
      send()
      const timer = setInterval(() => {
        if (performance.now() - sentAt < patience) return
        errors++
        send()
      }, patience)
      return { socket, timer }
    })
    const began = performance.now()
    setTimeout(() => {
      for (const { socket, timer } of loops) {
        clearInterval(timer)
        socket.close()
      }
      latencies.sort((a, b) => a - b)
      const took = (performance.now() - began) / 1_000
      const [p50, p99] = [percentile(latencies, 0.5), percentile(latencies, 0.99)]
      resolve({ requests: latencies.length, seconds: took, bytes, errors, p50, p99 })
    }, seconds * 1_000)
  })
}
