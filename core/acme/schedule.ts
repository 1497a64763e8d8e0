import type { CertificateFacts } from './issued-certificate.ts'

const minute = 60_000
const hour = 60 * minute
const week = 7 * 24 * hour

/** Part of a certificate's lifetime by which its renewal is earlier or later than two thirds, at most. */
const spread = 0.03

/**
 * When a certificate is renewed, ms since 1970: at two thirds of its lifetime, give or take 3 % of it, so that those which
 * were issued together are not renewed together. The certificate itself decides by how much: the next worker that orders,
 * and the gateway after a restart, must come to the same time.
 */
export function renewalAt({ validFrom, validTo, fingerprint }: CertificateFacts): number {
  const chance = Number.parseInt(fingerprint.slice(0, 8), 16) / 2 ** 32
  return validFrom + (validTo - validFrom) * (2 / 3 + spread * (2 * chance - 1))
}

/**
 * Shortest time between an order that succeeded and the next one, ms. With a clock that is wrong every certificate would
 * be due at once, and each order counts for the CA's limits.
 */
export function shortestInterval({ validFrom, validTo }: CertificateFacts): number {
  return Math.min(hour, (validTo - validFrom) / 3)
}

/**
 * Time until the next try, ms: 1, 4, 16 and then 60 minutes after failures in a row, give or take 10 %. Let's Encrypt allows
 * five failed validations an hour; more than these delays never reach that.
 *
 * @param wanted the CA's Retry-After, ms: the next try is not earlier, up to a week.
 */
export function retryDelay(failures: number, wanted: number = 0, chance: number = Math.random()): number {
  const delay = Math.min(hour, minute * 4 ** (failures - 1)) * (0.9 + 0.2 * chance)
  return Math.max(delay, Math.min(week, wanted))
}

/**
 * The time that a Retry-After asks for, ms from now; `undefined` when it is not one (RFC 9110 §10.2.3).
 *
 * @param now ms since 1970.
 */
export function parseRetryAfter(value: string, now: number): number | undefined {
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000
  // Date.parse takes nearly anything for a date.
  const at = /^[A-Z][a-z]{2,8},? /.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}
