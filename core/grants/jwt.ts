import { createHash } from 'node:crypto'
import { errors, type JWK, jwtVerify } from 'jose'
import { ownText } from '../own-text.ts'
import { measureCpu } from './cpu-time.ts'
import type { Fetcher, FetchOrder } from './fetcher.ts'
import { GrantError } from './grant-error.ts'
import { readCheck, type SoundCheck } from './jwt-check.ts'
import { createKeySet, type KeyFinder } from './key-set.ts'
import { Lru, mostPolicies } from './lru.ts'
import type { GrantCall, Operation } from './operation.ts'
import { RemoteKeys, type RemoteKeysOptions } from './remote-keys.ts'

/** Characters. */
const longestToken = 16_384
/** Key sets kept of one policy for each of the two sources, URLs and `keys`. */
const mostSets = 20
/** Keys that are tried for a token that does not name its key. */
const mostTried = 16
/**
 * Charged for each signature, ms: it is checked on another thread, where its CPU time cannot be measured. No algorithm
 * takes longer with the keys that are allowed.
 */
const price = 0.5

/** The key sets of one policy: those of another one never make room for them. */
interface KeySets {
  readonly remote: Lru<RemoteKeys>
  readonly inline: Lru<KeyFinder>
}

/**
 * Host side of `Jwt`. Arguments: token, check as JSON. Result: `1`, claims and header as JSON; or an empty text and the
 * reason why the token is refused.
 */
export function createJwt(fetcher: Fetcher, options: RemoteKeysOptions = {}): { verify: Operation } {
  const policies = new Lru<KeySets>(mostPolicies)
  const setsOf = ({ policy }: GrantCall): KeySets => {
    return policies.get(policy, () => ({ remote: new Lru(mostSets), inline: new Lru(mostSets) }))
  }

  /** With other allowed origins the same URL may lead to another set. */
  function remoteKeys(text: string, call: GrantCall): RemoteKeys {
    const { policy, origins } = call
    const url = ownText(text)
    return setsOf(call).remote.get(JSON.stringify([url, origins]), () => {
      return new RemoteKeys(() => load(url, policy, origins), options)
    })
  }

  async function load(url: string, user: string, origins: GrantCall['origins']): Promise<unknown> {
    const order: FetchOrder = { url, user, ...keyRequest }
    // No signal of a call: the first caller may be cancelled while others still wait.
    const { status, body } = await fetcher(order, origins)
    if (status !== 200) throw new GrantError(`the keys cannot be loaded: status ${status}`)
    try {
      return JSON.parse(body.toString())
    } catch {
      throw new GrantError('the keys cannot be loaded: the response is not JSON')
    }
  }

  function inlineKeys(keys: SoundCheck['keys'], call: GrantCall): KeyFinder {
    const text = JSON.stringify(keys)
    const name = createHash('sha256').update(text).digest('base64')
    return setsOf(call).inline.get(name, () => createKeySet({ keys }))
  }

  /** Returns as soon as only other threads have work to do. */
  function begin(token: string, json: string, call: GrantCall): Promise<readonly string[]> | readonly string[] {
    const check = readCheck(json)
    if (token.length > longestToken) return ['', 'too large']
    if (!isCompact(token)) return ['', 'malformed token']
    if (check.secret !== undefined) return verifyWithSecret(token, check.secret, check, call)
    if (check.jwksUrl !== undefined) return verifyWithRemote(token, remoteKeys(check.jwksUrl, call), check, call)
    return verifyWith(token, inlineKeys(check.keys, call), check, call)
  }

  return {
    verify: async ([token = '', json = ''], call) => {
      const spent = measureCpu()
      try {
        const verified = begin(token, json, call)
        call.spend(spent())
        return await verified
      } catch (error) {
        return ['', reasonOf(error)]
      }
    },
  }
}

async function verifyWithRemote(
  token: string,
  keys: RemoteKeys,
  check: SoundCheck,
  call: GrantCall,
): Promise<readonly string[]> {
  try {
    return await verifyWith(token, await keys.current(), check, call)
  } catch (error) {
    const newer = error instanceof errors.JWKSNoMatchingKey ? await keys.newer() : undefined
    if (newer === undefined) throw error
    return verifyWith(token, newer, check, call)
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
  call: GrantCall,
): Promise<string[]> {
  const bytes = typeof secret === 'string' ? Buffer.from(secret) : Buffer.from(String(secret.k ?? ''), 'base64url')
  const algorithms = check.algorithms.filter((name) => bytes.length * 8 >= Number(name.slice(2)))
  if (algorithms.length === 0) {
    const least = Math.min(...check.algorithms.map((name) => Number(name.slice(2)) / 8))
    throw new GrantError(`the secret is too short: ${check.algorithms[0]} needs at least ${least} bytes`)
  }
  call.spend(price)
  return result(
    await jwtVerify(token, typeof secret === 'string' ? bytes : (secret as JWK), joseOptions(check, algorithms)),
  )
}

async function verifyWith(token: string, keys: KeyFinder, check: SoundCheck, call: GrantCall): Promise<string[]> {
  const options = joseOptions(check, check.algorithms)
  call.spend(price)
  try {
    return result(await jwtVerify(token, keys, options))
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    // The token does not name its key: try each that fits.
    let tried = 0
    for await (const key of error) {
      if (++tried > mostTried) throw new GrantError(`the token names no key, and more than ${mostTried} keys fit`)
      call.spend(price)
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
