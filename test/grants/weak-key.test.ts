import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { weakKey } from '../../core/grants/key-set.ts'

const sound = createPublicKey(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey).export({ format: 'jwk' })

function base64url(value: bigint): string {
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url')
}

test('sound keys, and those of other types', () => {
  expect(weakKey({ ...sound })).toBeUndefined()
  expect(weakKey({ ...sound, e: base64url(3n) })).toBeUndefined()
  expect(weakKey({ kty: 'EC', crv: 'P-256' })).toBeUndefined()
})

test.each([
  [{ n: undefined }, 'its modulus or exponent is missing or not a number'],
  [{ n: 'not base64url!' }, 'its modulus or exponent is missing or not a number'],
  [{ n: 'A'.repeat(3_000) }, 'its modulus or exponent is missing or not a number'],
  [{ e: 3 }, 'its modulus or exponent is missing or not a number'],
  [{ n: base64url(1n << 2046n) }, 'it has fewer than 2048 bits'],
  [{ n: base64url(1n << 8192n) }, 'it has more than 8192 bits'],
  [{ e: base64url(1n) }, 'its exponent is not an odd number from 3 to 2^64'],
  [{ e: base64url(65_536n) }, 'its exponent is not an odd number from 3 to 2^64'],
  [{ e: base64url((1n << 64n) + 1n) }, 'its exponent is not an odd number from 3 to 2^64'],
  // Every modulus of the faulty generator is a power of 65537 modulo each of the primes it is built on.
  [{ n: base64url(65_537n ** 128n) }, 'it was made by a faulty generator (CVE-2017-15361)'],
])('%#: weak', (change, problem) => {
  expect(weakKey({ ...sound, ...change })).toBe(problem)
})
