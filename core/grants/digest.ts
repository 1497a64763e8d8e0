import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { GrantError } from './grant-error.ts'
import type { Operation } from './operation.ts'

/** Host side of `Digest`. */
export function createDigest(): Record<'sha256' | 'hmac' | 'verify' | 'random', Operation> {
  return {
    sha256: ([text = '']) => [createHash('sha256').update(text).digest('base64url')],
    hmac: ([key = '', text = '']) => [hmac(key, text).toString('base64url')],
    verify: ([key = '', text = '', mac = '']) => {
      const expected = hmac(key, text)
      const given = Buffer.from(mac, 'base64url')
      // The decoder ignores padding and stray characters: only the spelling that `hmac` returns is valid.
      const same = given.length === expected.length && timingSafeEqual(given, expected)
      return [same && mac === expected.toString('base64url') ? '1' : '']
    },
    random: ([bytes]) => {
      const size = Number(bytes)
      if (!Number.isInteger(size) || size < 1 || size > 256) {
        throw new GrantError(`bytes must be a whole number from 1 to 256, not ${bytes}`)
      }
      return [randomBytes(size).toString('base64url')]
    },
  }
}

function hmac(key: string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
