import { Client } from './client.ts'
import { type Load, requestsOf } from './load.ts'

/** How many connections are being opened at a time; more would overflow the queue of the socket that accepts them. */
const crowd = 100

/** Opens connections, sends one request on each and then nothing. Resolves with how many stand. */
export function openIdle(load: Load): Promise<number> {
  return new Promise((resolve) => {
    const [request = ''] = requestsOf(load)
    let opened = 0
    let settled = 0
    let failed = 0
    const open = (): void => {
      if (opened === load.connections) return
      opened++
      let isSettled = false
      const settle = (): void => {
        // One that is closed later has been open: the memory was measured with it.
        if (isSettled) return
        isSettled = true
        settled++
        if (settled === load.connections) resolve(settled - failed)
        else open()
      }
      const client = new Client(load, {
        onResponse: settle,
        onError: () => {
          if (!isSettled) failed++
          settle()
        },
      })
      client.send(request)
    }
    for (let i = 0; i < crowd; i++) open()
  })
}
