import { Worker } from 'node:worker_threads'
import { percentile } from '../statistics.ts'
import { Client } from './client.ts'
import { type Load, type LoadResult, requestsOf } from './load.ts'

/**
 * Sends `rate` requests a second at random moments (a Poisson process), whether or not the answers come: a proxy that
 * stalls makes requests wait, and their wait counts. Latency is from the moment when a request was released here, so that
 * what this process oversleeps does not count against the proxy.
 */
export function openLoop(load: Load & { readonly rate: number }): Promise<LoadResult> {
  return new Promise((resolve) => {
    const requests = requestsOf(load)
    const latencies: number[] = []
    const clients = new Set<Client>()
    const free: Client[] = []
    const waiting: number[] = []
    let turn = 0
    let errors = 0
    let over = false
    const send = (client: Client, at: number): void => client.send(requests[turn++ % requests.length]!, at)
    const open = (): void => {
      const client = new Client(load, {
        onResponse: (client, micros) => {
          latencies.push(micros)
          const at = waiting.shift()
          if (at === undefined) free.push(client)
          else send(client, at)
        },
        onError: (client) => {
          errors++
          clients.delete(client)
          const index = free.indexOf(client)
          if (index !== -1) free.splice(index, 1)
          if (!over) setTimeout(open, 10)
        },
      })
      clients.add(client)
      free.push(client)
    }
    for (let i = 0; i < load.connections; i++) open()

    const finish = (began: number): void => {
      over = true
      const now = performance.now()
      const requests = latencies.length
      let bytes = 0
      for (const client of clients) {
        bytes += client.bytes
        if (client.waitingSince !== undefined) waiting.push(client.waitingSince)
        client.end()
      }
      // Without an answer at the end, and yet they have waited for one.
      for (const at of waiting) latencies.push((now - at) * 1_000)
      latencies.sort((a, b) => a - b)
      const seconds = (now - began) / 1_000
      const p50 = percentile(latencies, 0.5)
      const p99 = percentile(latencies, 0.99)
      void pacer.terminate().then(() => resolve({ requests, seconds, bytes, errors, p50, p99 }))
    }

    const pending = new Int32Array(new SharedArrayBuffer(4))
    const pacer = new Worker(new URL('./pacer.ts', import.meta.url), { workerData: pending })
    let next: number | undefined
    pacer.on('message', () => {
      Atomics.store(pending, 0, 0)
      const now = performance.now()
      if (next === undefined) {
        // The clock starts with the pacer, which takes its time to.
        next = now
        setTimeout(finish, load.seconds * 1_000, now)
      }
      while (next <= now) {
        next -= (Math.log(1 - Math.random()) * 1_000) / load.rate
        const client = free.pop()
        if (client === undefined) waiting.push(now)
        else send(client, now)
      }
    })
  })
}
