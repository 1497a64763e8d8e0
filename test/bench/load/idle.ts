import { Client } from './client.ts'
import { type Load, requestsOf } from './load.ts'
import { openSession } from './session.ts'

/** How many connections are being opened at a time; more would overflow the queue of the socket that accepts them. */
const crowd = 100

/** Opens connections, sends one request on each, or one on each stream, and then nothing. Resolves with how many stand. */
export function openIdle(load: Load): Promise<number> {
  return new Promise((resolve) => {
    const start = load.streams === undefined ? openConnection : openSession
    let opened = 0
    let settled = 0
    let failed = 0
    const open = (): void => {
      if (opened === load.connections) return
      opened++
      start(load, (stands) => {
        settled++
        if (!stands) failed++
        if (settled === load.connections) resolve(settled - failed)
        else open()
      })
    }
    for (let i = 0; i < crowd; i++) open()
  })
}

/** @param onSettled once: whether it has had its answer; one that is closed later has been open, and was measured. */
function openConnection(load: Load, onSettled: (stands: boolean) => void): void {
  const [request = ''] = requestsOf(load)
  let isSettled = false
  const settle = (stands: boolean): void => {
    if (isSettled) return
    isSettled = true
    onSettled(stands)
  }
  const client = new Client(load, { onResponse: () => settle(true), onError: () => settle(false) })
  client.send(request)
}
