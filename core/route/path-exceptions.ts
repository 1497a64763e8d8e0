/**
 * Parts of a path that make it ambiguous, and that a route can still allow. The value is a bit of `allowed` in
 * `scanPath`.
 */
const bits = {
  /** `%2F`. */
  'encoded-slash': 1,
  /** `%5C`. A backslash that is not encoded is always refused. */
  'encoded-backslash': 2,
  /** Percent-encoded letters, digits and `-._~`: `%7E`, `%61`. */
  'encoded-unreserved': 4,
  /** `%00` to `%1F` and `%7F`. */
  'encoded-control': 8,
  /** `%25` before two hexadecimal digits: `%252F`. */
  'double-encoding': 16,
  /** `//`. */
  'double-slash': 32,
  /** `.` and `..` as segments. */
  'dot-segment': 64,
  /** `;` and `%3B`. */
  semicolon: 128,
} as const

/** A name in `pathExceptions` of a route. */
export type PathException = keyof typeof bits

/** The bit of each exception. */
export const exceptionBits: Readonly<Record<PathException, number>> = bits

/** The bits of all exceptions. */
export const everyException = 255

export function bitsOf(exceptions: readonly PathException[]): number {
  let all = 0
  for (const one of exceptions) all |= bits[one]
  return all
}
