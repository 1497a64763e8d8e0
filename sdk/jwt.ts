/** Checks signed tokens (JWT, RFC 7519, as a compact JWS). The keys and the work stay with the host. */
export interface Jwt {
  /**
   * Verifies signature, `exp`, `nbf` and what is asked for, and gives the claims.
   *
   * ```ts
   * try {
   *   const { claims } = await jwt.verify(token, { jwksUrl: options.jwks, issuer: options.issuer })
   *   request.consumer = String(claims.sub)
   * } catch (error) {
   *   if ((error as GrantError).code !== 'refused') throw error
   *   return reply(401, { title: 'invalid token', detail: (error as GrantError).reason })
   * }
   * ```
   *
   * @param token at most 16,384 characters.
   * @param check where the keys are, exactly one of `jwksUrl`, `keys` and `secret`, and what else must hold.
   * @throws {GrantError} `refused` when the token is not valid, with the reason: `expired`, `not valid yet`,
   *   `wrong issuer`, `wrong audience`, `missing claim "…"`, `invalid claim "…"`, `bad signature`, `unknown key`,
   *   `algorithm not allowed`, `malformed token`, `no claims`, `too large`. `failed` when the keys cannot be had or used.
   */
  verify(token: string, check: JwtCheck): Promise<VerifiedJwt>
}

export interface JwtCheck {
  /**
   * URL of a JSON Web Key Set (RFC 7517); its origin must be among the plugin's `fetch`. It is kept for 10 minutes, then
   * renewed beside the requests, and used up to an hour while it cannot be renewed. A token with an unknown key makes the
   * host ask anew, once in 30 seconds at most.
   */
  readonly jwksUrl?: string
  /** Public keys (JWK), at most 100. Symmetric ones are refused here. */
  readonly keys?: readonly Jwk[]
  /**
   * Secret of the HMAC algorithms: text, or a JWK with `kty: 'oct'` when it is not text. As long as the hash at least
   * (32 bytes for HS256), as RFC 7518 §3.2 demands.
   */
  readonly secret?: string | Jwk
  /** `iss` must be this, or one of these. Default: not looked at. */
  readonly issuer?: string | readonly string[]
  /** `aud` must be or hold this, or one of these. Default: not looked at. */
  readonly audience?: string | readonly string[]
  /**
   * Default: with `secret` the HMAC algorithms; else all others, of which the key takes what fits its type, and only its
   * `alg` when it has one. `none` is no algorithm.
   */
  readonly algorithms?: readonly JwtAlgorithm[]
  /** Claims that must be there. `exp` is only checked where it is; ask for it here. Default: none. */
  readonly required?: readonly string[]
  /** By how much clocks may differ, seconds, 0 to 600. Default: 0. */
  readonly clockTolerance?: number
}

export type JwtAlgorithm =
  | 'HS256'
  | 'HS384'
  | 'HS512'
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'EdDSA'

/** A JSON Web Key (RFC 7517). */
export interface Jwk {
  readonly kty: string
  readonly [member: string]: unknown
}

export interface VerifiedJwt {
  /** Frozen, with null prototypes: only what the token says is there. */
  readonly claims: Readonly<Record<string, unknown>>
  readonly header: Readonly<Record<string, unknown>>
}
