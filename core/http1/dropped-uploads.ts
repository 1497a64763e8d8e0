// The global of the same name is a getter.
import { performance } from 'node:perf_hooks'

/** Longest pause between two bytes, ms. */
const longestPause = 5000

/** Longest time in all, ms. */
const longestTime = 30_000

/** Most uploads of a process that are dropped at the same time. */
const most = 1024

/** A connection whose client still sends after it was answered. */
export interface DroppedUpload {
  /** Ends the connection immediately. */
  cut(): void
}

/** When the time of each is over, by `performance.now`; the oldest is the first. */
const ends = new Map<DroppedUpload, number>()

/**
 * What a client sends after its request was refused is read and dropped: many clients send everything before they read the
 * answer, and a closed socket would answer them with a reset. This bounds the time and the number of such uploads: when there
 * are too many, the oldest is cut.
 *
 * @returns how long to wait for more of it, ms
 */
export function dropMore(upload: DroppedUpload, now: number = performance.now()): number {
  let end = ends.get(upload)
  if (end === undefined) {
    end = now + longestTime
    ends.set(upload, end)
    if (ends.size > most) cutOldest()
  }
  return Math.min(longestPause, Math.max(0, end - now))
}

/** The upload, or its connection, has ended. */
export function endDropping(upload: DroppedUpload): void {
  ends.delete(upload)
}

function cutOldest(): void {
  for (const oldest of ends.keys()) {
    ends.delete(oldest)
    return oldest.cut()
  }
}
