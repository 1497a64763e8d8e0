/** Checks signed tokens (JWT, RFC 7519, as a compact JWS). The host loads the keys and does the work. */
export interface Jwt {
  /**
   * Verifies the signature, `exp`, `nbf` and everything that `check` asks for, and returns the claims.
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
   * @param check the keys (exactly one of `jwksUrl`, `keys` and `secret`), and what else to verify.
   * @throws {GrantError} `refused` when the token is not valid, with the reason: `expired`, `not valid yet`,
   *   `wrong issuer`, `wrong audience`, `missing claim "…"`, `invalid claim "…"`, `bad signature`, `unknown key`,
   *   `algorithm not allowed`, `malformed token`, `no claims`, `too large`. `failed` when `check` is invalid, or the
   *   keys cannot be loaded or used.
   */
  verify(token: string, check: JwtCheck): Promise<VerifiedJwt>
}

export interface JwtCheck {
  /**
   * URL of a JSON Web Key Set (RFC 7517), at most 100 keys and 262,144 bytes. Its origin must be listed in the plugin's
   * `fetch`. The set is kept for 10 minutes, then renewed in the background; while it cannot be renewed, the old set is
   * used until it is an hour old. A token with an unknown key makes the host load the set again, at most every 30
   * seconds.
   */
  readonly jwksUrl?: string
  /** Public keys (JWK), at most 100. Symmetric keys are refused here: use `secret`. */
  readonly keys?: readonly Jwk[]
  /**
   * Secret for the HMAC algorithms: text, or a JWK with `kty: 'oct'` when it is not text. It must be at least as long
   * as the hash (32 bytes for HS256; RFC 7518 §3.2).
   */
  readonly secret?: string | Jwk
  /** `iss` must be this value, or one of these. Default: not checked. */
  readonly issuer?: string | readonly string[]
  /** `aud` must be or contain this value, or one of these. Default: not checked. */
  readonly audience?: string | readonly string[]
  /**
   * Algorithms that a token may use. With `secret` they must be HMAC algorithms, else others. Default: all of that
   * kind. A key is used only with algorithms that fit its type, and only with its `alg` when it has one. `none` is
   * never allowed.
   */
  readonly algorithms?: readonly JwtAlgorithm[]
  /** Claims that must be present. A token without `exp` never expires, unless you require `exp` here. Default: none. */
  readonly required?: readonly string[]
  /** Accepted difference between the clocks for `exp` and `nbf`, seconds, 0 to 600. Default: 0. */
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
  /** Frozen, with null prototypes, so that it has no members but those of the token. */
  readonly claims: Readonly<Record<string, unknown>>
  readonly header: Readonly<Record<string, unknown>>
}
