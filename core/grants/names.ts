import type { GrantName } from '../../sdk/grants.ts'

/** The grants that a plugin may name in `needs`. */
export const grantNames: readonly GrantName[] = ['counter', 'digest', 'fetch', 'jwt', 'kv', 'log', 'metric']
