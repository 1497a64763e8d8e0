import type { JwtCheck } from '../../sdk/jwt.ts'
import { GrantError } from './grant-error.ts'

const hmac = ['HS256', 'HS384', 'HS512']
const asymmetric = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
const members = 'jwksUrl keys secret issuer audience algorithms required clockTolerance'.split(' ')

/** A valid `JwtCheck`, algorithms filled in. */
export interface SoundCheck extends Omit<JwtCheck, 'algorithms' | 'issuer' | 'audience' | 'required'> {
  readonly algorithms: string[]
  readonly issuer?: string | string[]
  readonly audience?: string | string[]
  readonly required?: string[]
}

/**
 * Validates the `check` argument of a plugin. The kind of key alone decides which algorithms are allowed, so that a
 * token can never make the host use a public key as an HMAC secret.
 *
 * @param text JSON with untrusted content.
 * @throws {GrantError} when an option is unknown or invalid.
 */
export function readCheck(text: string): SoundCheck {
  const check = JSON.parse(text) as Record<string, unknown>
  for (const name of Object.keys(check)) if (!members.includes(name)) fail(`unknown option "${name}"`)
  const sources = ['jwksUrl', 'keys', 'secret'].filter((name) => check[name] !== undefined)
  if (sources.length !== 1) fail('give exactly one of jwksUrl, keys and secret')
  if (check.jwksUrl !== undefined && typeof check.jwksUrl !== 'string') fail('jwksUrl must be a string')
  if (check.keys !== undefined) checkKeys(check.keys)
  if (check.secret !== undefined && typeof check.secret !== 'string' && kindOf(check.secret) !== 'oct') {
    fail("secret must be a string or a JWK with kty: 'oct'")
  }
  for (const name of ['issuer', 'audience']) {
    const value = check[name]
    if (value !== undefined && typeof value !== 'string' && !isTexts(value))
      fail(`${name} must be a string or a list of strings, not empty`)
  }
  if (check.required !== undefined && !isTexts(check.required))
    fail('required must be a list of claim names, not empty')
  const tolerance = check.clockTolerance
  if (tolerance !== undefined && !(typeof tolerance === 'number' && tolerance >= 0 && tolerance <= 600)) {
    fail('clockTolerance must be from 0 to 600 seconds')
  }
  return { ...check, algorithms: algorithmsOf(check) } as SoundCheck
}

function checkKeys(keys: unknown): void {
  if (!Array.isArray(keys)) fail('keys must be a list of public keys (JWK)')
  for (const key of keys as unknown[]) {
    const kind = kindOf(key)
    if (kind === undefined) fail('keys must be a list of public keys (JWK)')
    if (kind === 'oct') fail('keys must be public keys: give a symmetric key as secret')
  }
}

function algorithmsOf({ algorithms, secret }: Record<string, unknown>): string[] {
  const offered = secret === undefined ? asymmetric : hmac
  if (algorithms === undefined) return offered
  if (!isTexts(algorithms)) return fail('algorithms must be a list of names, not empty')
  for (const name of algorithms) {
    if (offered.includes(name)) continue
    const other = secret === undefined ? 'a secret' : 'public keys'
    fail(hmac.includes(name) || asymmetric.includes(name) ? `${name} needs ${other}` : `unknown algorithm ${name}`)
  }
  return algorithms
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string')
}

function kindOf(key: unknown): string | undefined {
  const kty = typeof key === 'object' && key !== null ? (key as { kty?: unknown }).kty : undefined
  return typeof kty === 'string' ? kty : undefined
}

function fail(message: string): never {
  throw new GrantError(message)
}
