import { percentile } from '../statistics.ts'
import { Client } from './client.ts'
import { type Load, type LoadResult, requestsOf } from './load.ts'

/** As wrk does: each connection sends its next request when it has the answer to the last. */
export function closedLoop(load: Load): Promise<LoadResult> {
  return new Promise((resolve) => {
    const requests = requestsOf(load)
    const clients = new Set<Client>()
    const latencies: number[] = []
    let turn = 0
    let errors = 0
    let bytes = 0
    let over = false
    const next = (): string => requests[turn++ % requests.length]!
    const open = (): void => {
      const client = new Client(load, {
        onResponse: (client, micros) => {
          if (over) return
          latencies.push(micros)
          if (!load.close) return client.send(next())
          leave(client)
          open()
        },
        onError: (client) => {
          errors++
          leave(client)
          // Whoever refuses one connection refuses the next: the loop must not spin.
          if (!over) setTimeout(open, 10)
        },
      })
      clients.add(client)
      client.send(next())
    }
    const leave = (client: Client): void => {
      bytes += client.bytes
      clients.delete(client)
      client.end()
    }
    const began = performance.now()
    for (let i = 0; i < load.connections; i++) open()
    setTimeout(() => {
      over = true
      const seconds = (performance.now() - began) / 1_000
      for (const client of clients) leave(client)
      latencies.sort((a, b) => a - b)
      const p50 = percentile(latencies, 0.5)
      resolve({ requests: latencies.length, seconds, bytes, errors, p50, p99: percentile(latencies, 0.99) })
    }, load.seconds * 1_000)
  })
}
