/** A body, or its first bytes, as the plugin asked for it in `reads`; see `BodyScope`. */
export interface Body {
  /**
   * The bytes as sent, still encoded when there is a `content-encoding`; empty without a body. A copy: use `setBody` to
   * change the body.
   */
  readonly bytes: Uint8Array
  /** False when the body is longer than `bytes`, which only happens with `prefix`. */
  readonly complete: boolean
  /** The bytes decoded as UTF-8; malformed sequences become U+FFFD. */
  text(): string
  /**
   * The bytes decoded as UTF-8 and parsed as JSON.
   *
   * @throws {SyntaxError} when they are not valid JSON.
   */
  json(): unknown
}

/** One chunk of a body that passes through the gateway. */
export interface BodyChunk {
  readonly bytes: Uint8Array
  /** True for the last chunk of the body, which may be empty. */
  readonly last: boolean
}
