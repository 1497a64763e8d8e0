/**
 * What a path may hold that has more than one interpretation, and that a route may take all the same. The value is a bit of
 * `allowed` in `scanPath`.
 */
const bits = {
  /** `%2F`. */
  'encoded-slash': 1,
  /** `%5C`; a backslash as it is never passes. */
  'encoded-backslash': 2,
  /** Letters, digits and `-._~` percent-encoded: `%7E`, `%61`. */
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

/** One of the names that `pathExceptions` of a route lists. */
export type PathException = keyof typeof bits

/** The bit of each of them. */
export const exceptionBits: Readonly<Record<PathException, number>> = bits

/** Every one of them, as bits. */
export const everyException = 255

export function bitsOf(exceptions: readonly PathException[]): number {
  let all = 0
  for (const one of exceptions) all |= bits[one]
  return all
}
