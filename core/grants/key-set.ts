import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose'
import { GrantError } from './grant-error.ts'

/** Finds the key for a token's header; a key function of jose. */
export type KeyFinder = JWTVerifyGetKey

const mostKeys = 100

/**
 * The public keys of a JSON Web Key Set. Weak, symmetric and malformed keys are left out, so that the others can still
 * be used.
 *
 * @param set parsed JSON with untrusted content.
 * @throws {GrantError} when it is not a key set, or has more than 100 keys.
 */
export function createKeySet(set: unknown): KeyFinder {
  const keys: unknown = typeof set === 'object' && set !== null && 'keys' in set ? set.keys : undefined
  if (!Array.isArray(keys)) throw new GrantError('not a JSON Web Key Set')
  if (keys.length > mostKeys) throw new GrantError(`the key set has ${keys.length} keys; the limit is ${mostKeys}`)
  return createLocalJWKSet({ keys: keys.filter(isUsable) })
}

function isUsable(key: unknown): key is { kty: string } {
  if (typeof key !== 'object' || key === null) return false
  const { kty } = key as { kty?: unknown }
  return typeof kty === 'string' && kty !== 'oct' && weakKey(key as Record<string, unknown>) === undefined
}

/** Modulo each of these primes, a modulus of the faulty generator is always a power of 65537. */
const marked = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157]

/**
 * Why signatures of an RSA key must not be trusted; `undefined` for sound keys and keys of other types.
 *
 * The last test finds keys of the RSALib generator (CVE-2017-15361): their private part can be computed from the public
 * one.
 */
export function weakKey(jwk: Readonly<Record<string, unknown>>): string | undefined {
  if (jwk.kty !== 'RSA') return undefined
  const modulus = number(jwk.n)
  const exponent = number(jwk.e)
  if (modulus === undefined || exponent === undefined) return 'its modulus or exponent is missing or not a number'
  const bits = modulus.toString(2).length
  if (bits < 2048) return 'it has fewer than 2048 bits'
  // Verifying takes time with the square of the size, and no real key is larger.
  if (bits > 8192) return 'it has more than 8192 bits'
  // Verifying with a large exponent costs as much as signing, and no real key has one.
  if (exponent < 3n || exponent % 2n === 0n || exponent >= 1n << 64n)
    return 'its exponent is not an odd number from 3 to 2^64'
  if (marked.every((prime) => isPowerOf65537(Number(modulus % BigInt(prime)), prime))) {
    return 'it was made by a faulty generator (CVE-2017-15361)'
  }
  return undefined
}

function isPowerOf65537(remainder: number, prime: number): boolean {
  const base = 65_537 % prime
  let power = 1
  do {
    if (power === remainder) return true
    power = (power * base) % prime
  } while (power !== 1)
  return false
}

/** An unsigned number in base64url; `undefined` when it is not a number, or longer than 2,800 characters. */
function number(text: unknown): bigint | undefined {
  if (typeof text !== 'string' || text.length > 2_800 || !/^[A-Za-z0-9_-]+$/.test(text)) return undefined
  return BigInt(`0x0${Buffer.from(text, 'base64url').toString('hex')}`)
}
