import { createHash } from 'node:crypto'
import type { CounterResult } from '../../../sdk/grants.ts'
import { GrantError } from '../grant-error.ts'
import { seconds, wholeNumber } from '../numbers.ts'
import type { Operation } from '../operation.ts'
import { afterTicks } from '../tick-timer.ts'
import type { CounterStore } from './store.ts'

/** Characters. */
const longestKey = 512
/** Longer keys are kept as their hash, so that a policy's keys take no more memory than their number allows. */
const longestKept = 64
/** Seconds. A timer of Node cannot be longer than 2³¹ ms. */
const longestWindow = 2_147_483

/**
 * Host side of `Counter`.
 *
 * @param timeout time limit for the store, ms. Default: 2,000.
 */
export function createCounter(store: CounterStore, timeout = 2_000): { take: Operation } {
  return {
    take: ([key = '', points, duration, cost], { policy }) => {
      if (key.length > longestKey)
        throw new GrantError(`the key has ${key.length} characters; the limit is ${longestKey}`)
      const limit = {
        points: wholeNumber('points', points, 1),
        duration: seconds('duration', duration, longestWindow),
        cost: wholeNumber('cost', cost, 0),
      }
      const result = store.take(policy, key.length > longestKept ? hashed(key) : key, limit)
      return result instanceof Promise ? within(timeout, result).then(written) : written(result)
    },
  }
}

function hashed(key: string): string {
  return `#${createHash('sha256').update(key).digest('base64url')}`
}

function written({ allowed, remaining, reset }: CounterResult): readonly string[] {
  return [allowed ? '1' : '', String(remaining), String(reset)]
}

function within(timeout: number, result: Promise<CounterResult>): Promise<CounterResult> {
  return new Promise((resolve, reject) => {
    const cancel = afterTicks(timeout, () => reject(new GrantError(`no response within ${timeout} ms`)))
    result.then(resolve, reject).finally(cancel)
  })
}
