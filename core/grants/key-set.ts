import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose'
import { GrantError } from './grant-error.ts'
import { weakKey } from './weak-key.ts'

/** Finds the key for a token's header, as jose takes it. */
export type KeyFinder = JWTVerifyGetKey

const mostKeys = 100

/**
 * The public keys of a JSON Web Key Set. Keys that cannot be trusted, or are of no use here, are left out: one of them
 * must not spoil the others.
 *
 * @param set parsed JSON, anything may stand in it.
 * @throws {GrantError} when it is no such set.
 */
export function createKeySet(set: unknown): KeyFinder {
  const keys: unknown = typeof set === 'object' && set !== null && 'keys' in set ? set.keys : undefined
  if (!Array.isArray(keys)) throw new GrantError('this is not a JSON Web Key Set')
  if (keys.length > mostKeys) throw new GrantError(`a key set holds ${mostKeys} keys at most`)
  return createLocalJWKSet({ keys: keys.filter(isUsable) })
}

function isUsable(key: unknown): key is { kty: string } {
  if (typeof key !== 'object' || key === null) return false
  const { kty } = key as { kty?: unknown }
  return typeof kty === 'string' && kty !== 'oct' && weakKey(key as Record<string, unknown>) === undefined
}
