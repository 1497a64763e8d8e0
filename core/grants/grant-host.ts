import { createCounter } from './counter.ts'
import { createDigest } from './digest.ts'
import { GrantError } from './grant-error.ts'

/** One operation of a grant, as a hook asked for it. */
export interface GrantCall {
  /** `grant.operation`, as in `sdk/grants.ts`. */
  readonly operation: string
  readonly args: readonly string[]
  /** Name of the policy: what one policy keeps, another never sees. */
  readonly policy: string
}

/** An operation: its arguments as text in, its result as text out. */
export type Operation = (args: readonly string[], policy: string) => Promise<readonly string[]> | readonly string[]

/** What the host does for plugins. */
export interface GrantHost {
  /** Rejects with a `GrantError` when the arguments make no sense or the work could not be done. */
  perform(call: GrantCall): Promise<readonly string[]>
}

const largestArgument = 64 * 1024

/** Made once per process, so that counters outlive a reload of the configuration. */
export function createGrantHost(): GrantHost {
  const operations = new Map<string, Operation>([
    ...Object.entries(createCounter()).map(([name, run]) => [`counter.${name}`, run] as const),
    ...Object.entries(createDigest()).map(([name, run]) => [`digest.${name}`, run] as const),
  ])
  return {
    perform: async ({ operation, args, policy }) => {
      const run = operations.get(operation)
      if (run === undefined) throw new GrantError('there is no such operation')
      for (const arg of args) {
        if (arg.length > largestArgument)
          throw new GrantError(`an argument holds ${largestArgument} characters at most`)
      }
      return run(args, policy)
    },
  }
}
