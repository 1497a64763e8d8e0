/** What a plugin sees of a body that it declared in `reads`; see `BodyScope`. */
export interface Body {
  /** A copy: changing it changes nothing. Empty when there is no body. As sent, `content-encoding` included. */
  readonly bytes: Uint8Array
  /** False when there is more than was asked for; always true with `buffer`. */
  readonly complete: boolean
  /** The bytes read as UTF-8; what is malformed becomes U+FFFD. */
  text(): string
  /**
   * The bytes read as UTF-8 and parsed.
   *
   * @throws {SyntaxError} when they are not JSON.
   */
  json(): unknown
}

/** A part of a body on its way. */
export interface BodyChunk {
  readonly bytes: Uint8Array
  /** True for the last one, which may be empty. */
  readonly last: boolean
}
