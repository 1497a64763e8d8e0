import type { GrantCall } from '../../core/grants/operation.ts'
import type { Origin } from '../../core/grants/origin.ts'

/** A grant's call as the sandbox makes it. */
export function grantCall(operation: string, args: readonly string[] = [], change: Partial<GrantCall> = {}): GrantCall {
  const plugin = { name: 'probe', publisher: 'local', hash: 'h' }
  const { signal } = new AbortController()
  const costs = { hold: (): void => {}, spend: (): void => {} }
  return { operation, args, policy: 'p', plugin, origins: [], signal, ...costs, ...change }
}

/** What a configuration that lists this base URL allows. */
export function listed(url: string, isPrivate = true): Origin {
  return { origin: new URL(url).origin, private: isPrivate }
}
