import { createHash } from 'node:crypto'
import { errors, type JWK, jwtVerify } from 'jose'
import type { Fetcher, FetchOrder } from './fetcher.ts'
import { GrantError } from './grant-error.ts'
import { readCheck, type SoundCheck } from './jwt-check.ts'
import { createKeySet, type KeyFinder } from './key-set.ts'
import type { GrantCall, Operation } from './operation.ts'
import { RemoteKeys, type RemoteKeysOptions } from './remote-keys.ts'

/** Characters. */
const longestToken = 16_384
/** Key sets kept for each of the two sources, URLs and `keys`. */
const mostSets = 200

/**
 * Host side of `Jwt`. Arguments: token, check as JSON. Result: `1`, claims and header as JSON; or an empty text and the
 * reason why the token is refused.
 */
export function createJwt(fetcher: Fetcher, options: RemoteKeysOptions = {}): { verify: Operation } {
  const remote = new Lru<RemoteKeys>(mostSets)
  const inline = new Lru<KeyFinder>(mostSets)

  /** Key sets are not shared: another plugin, or other allowed origins, may lead to another set for the same URL. */
  function remoteKeys(url: string, { plugin, origins }: GrantCall): RemoteKeys {
    const name = JSON.stringify([plugin.publisher, plugin.name, url, origins])
    return remote.get(name, () => new RemoteKeys(() => load(url, origins), options))
  }

  async function load(url: string, origins: GrantCall['origins']): Promise<unknown> {
    const order: FetchOrder = { url, ...keyRequest }
    // No signal of a call: the first caller may be cancelled while others still wait.
    const { status, body } = await fetcher(order, origins)
    if (status !== 200) throw new GrantError(`the keys cannot be loaded: status ${status}`)
    try {
      return JSON.parse(body.toString())
    } catch {
      throw new GrantError('the keys cannot be loaded: the answer is not JSON')
    }
  }

  function inlineKeys(keys: SoundCheck['keys']): KeyFinder {
    const text = JSON.stringify(keys)
    const name = createHash('sha256').update(text).digest('base64')
    return inline.get(name, () => createKeySet({ keys }))
  }

  return {
    verify: async ([token = '', json = ''], call) => {
      const check = readCheck(json)
      if (token.length > longestToken) return ['', 'too large']
      if (!isCompact(token)) return ['', 'malformed token']
      try {
        if (check.secret !== undefined) return await verifyWithSecret(token, check.secret, check)
        if (check.jwksUrl === undefined) return await verifyWith(token, inlineKeys(check.keys), check)
        const keys = remoteKeys(check.jwksUrl, call)
        try {
          return await verifyWith(token, await keys.current(), check)
        } catch (error) {
          const newer = error instanceof errors.JWKSNoMatchingKey ? await keys.newer() : undefined
          if (newer === undefined) throw error
          return await verifyWith(token, newer, check)
        }
      } catch (error) {
        return ['', reasonOf(error)]
      }
    },
  }
}

const keyRequest = {
  method: 'GET',
  headers: [['accept', 'application/jwk-set+json, application/json']],
  body: undefined,
  timeout: 2_000,
  limit: 262_144,
} as const

/**
 * Whether a token has the one canonical spelling of RFC 7515 §7.1. The decoder also accepts others, and a token with a
 * second spelling would pass a list of revoked tokens.
 */
function isCompact(token: string): boolean {
  const parts = token.split('.')
  return parts.length === 3 && parts.every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)
}

async function verifyWithSecret(
  token: string,
  secret: NonNullable<SoundCheck['secret']>,
  check: SoundCheck,
): Promise<string[]> {
  const bytes = typeof secret === 'string' ? Buffer.from(secret) : Buffer.from(String(secret.k ?? ''), 'base64url')
  const algorithms = check.algorithms.filter((name) => bytes.length * 8 >= Number(name.slice(2)))
  if (algorithms.length === 0) {
    const least = Math.min(...check.algorithms.map((name) => Number(name.slice(2)) / 8))
    throw new GrantError(`the secret is too short: ${check.algorithms[0]} needs at least ${least} bytes`)
  }
  return result(
    await jwtVerify(token, typeof secret === 'string' ? bytes : (secret as JWK), joseOptions(check, algorithms)),
  )
}

async function verifyWith(token: string, keys: KeyFinder, check: SoundCheck): Promise<string[]> {
  const options = joseOptions(check, check.algorithms)
  try {
    return result(await jwtVerify(token, keys, options))
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    // The token does not name its key: try each that fits.
    for await (const key of error) {
      try {
        return result(await jwtVerify(token, key, options))
      } catch (failure) {
        if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

function joseOptions({ issuer, audience, required, clockTolerance }: SoundCheck, algorithms: string[]): object {
  return {
    algorithms,
    ...(issuer !== undefined && { issuer }),
    ...(audience !== undefined && { audience }),
    ...(required !== undefined && { requiredClaims: required }),
    ...(clockTolerance !== undefined && { clockTolerance }),
  }
}

function result({ payload, protectedHeader }: { payload: object; protectedHeader: object }): string[] {
  return ['1', JSON.stringify(payload), JSON.stringify(protectedHeader)]
}

/**
 * Why the token is refused.
 *
 * @throws {GrantError} when the error is not about the token.
 */
function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'expired'
  if (error instanceof errors.JWTClaimValidationFailed) return reasonOfClaim(error)
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'bad signature'
  if (error instanceof errors.JWKSNoMatchingKey) return 'unknown key'
  if (error instanceof errors.JOSEAlgNotAllowed) return 'algorithm not allowed'
  if (error instanceof errors.JWSInvalid) return 'malformed token'
  if (error instanceof errors.JWTInvalid) return 'no claims'
  if (error instanceof errors.JOSENotSupported) return 'malformed token'
  if (error instanceof GrantError) throw error
  throw new GrantError('the key cannot be used with this algorithm')
}

function reasonOfClaim({ claim, reason }: errors.JWTClaimValidationFailed): string {
  if (reason === 'missing') return `missing claim "${claim}"`
  if (claim === 'iss') return 'wrong issuer'
  if (claim === 'aud') return 'wrong audience'
  return claim === 'nbf' && reason === 'check_failed' ? 'not valid yet' : `invalid claim "${claim}"`
}

/** Values by name, created on first use. When there are more than `most`, the least recently used is removed. */
class Lru<T> {
  readonly #items = new Map<string, T>()
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  get(name: string, make: () => T): T {
    const item = this.#items.get(name) ?? make()
    this.#items.delete(name)
    this.#items.set(name, item)
    for (const oldest of this.#items.keys()) {
      if (this.#items.size <= this.#most) break
      this.#items.delete(oldest)
    }
    return item
  }
}
