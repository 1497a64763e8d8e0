import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { CounterStore } from './counter-store.ts'
import { GrantError } from './grant-error.ts'

interface Budget {
  readonly limiter: RateLimiterMemory
  /** Key → when its window ends, in the order in which the windows began. */
  readonly windows: Map<string, number>
}

export interface CounterBounds {
  /** Different limits (policy, points and duration) held at once. Default: 1,000. */
  readonly limits?: number
  /** Keys held at once for one limit. Beyond, the oldest window is forgotten. Default: 100,000. */
  readonly keys?: number
}

/** Counters in the memory of this process: one limiter for each policy, points and duration. */
export function createMemoryCounters(bounds: CounterBounds = {}): CounterStore {
  const { limits = 1_000, keys = 100_000 } = bounds
  const budgets = new Map<string, Budget>()

  function budgetOf(policy: string, points: number, duration: number): Budget {
    const name = JSON.stringify([policy, points, duration])
    let budget = budgets.get(name)
    if (budget === undefined) {
      if (budgets.size >= limits)
        throw new GrantError(`more than ${limits} different limits: use fewer points and durations`)
      budget = { limiter: new RateLimiterMemory({ points, duration }), windows: new Map() }
      budgets.set(name, budget)
    }
    return budget
  }

  async function remember({ limiter, windows }: Budget, key: string, end: number): Promise<void> {
    windows.delete(key)
    windows.set(key, end)
    if (windows.size <= keys) return
    const [oldest] = windows.keys()
    windows.delete(oldest!)
    await limiter.delete(oldest!)
  }

  return {
    take: async (policy, key, { points, duration, cost = 1 }) => {
      const budget = budgetOf(policy, points, duration)
      const { result, allowed } = await consume(budget.limiter, key, cost)
      if (result.isFirstInDuration) await remember(budget, key, Date.now() + result.msBeforeNext)
      const reset = Math.max(1, Math.ceil(result.msBeforeNext / 1_000))
      return { allowed, remaining: result.remainingPoints, reset }
    },
  }
}

async function consume(
  limiter: RateLimiterMemory,
  key: string,
  cost: number,
): Promise<{ result: RateLimiterRes; allowed: boolean }> {
  try {
    return { result: await limiter.consume(key, cost), allowed: true }
  } catch (refused) {
    if (!(refused instanceof RateLimiterRes)) throw refused
    // A take that is refused takes nothing: a smaller one may still be allowed.
    const result = await limiter.reward(key, cost)
    return { result, allowed: false }
  }
}
