import { constants, fstatSync, openSync } from 'node:fs'

/**
 * A descriptor of the same file, pipe or terminal on which a write never waits: a thread that waits for a stopped reader
 * cannot be ended. `undefined` for a socket, which cannot be opened again.
 */
export function nonBlocking(descriptor: number): number | undefined {
  if (fstatSync(descriptor).isFile()) return descriptor
  if (process.platform !== 'linux') return undefined
  try {
    // Opened again, because the mode of the inherited one also applies to the processes that share it.
    return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    // A socket, or a pipe or terminal that another user has opened.
    return undefined
  }
}
