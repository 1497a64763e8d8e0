import { hasStray } from './octets.ts'

/** A spelling in a path that servers are known to read differently, as `pathExceptions` of a route names it. */
export type PathException =
  /** `%2F`. */
  | 'encoded-slash'
  /** `%5C`. A backslash that is not encoded is always refused. */
  | 'encoded-backslash'
  /** Percent-encoded letters, digits and `-._~`: `%7E`, `%61`. */
  | 'encoded-unreserved'
  /** `%01` to `%1F` and `%7F`. A NUL (`%00`) is always refused. */
  | 'encoded-control'
  /** `%3F` and `%23`: a server that decodes a path too early takes them for the beginning of a query and of a fragment. */
  | 'encoded-delimiter'
  /** `%25` before two hexadecimal digits: `%252F`. */
  | 'double-encoding'
  /** `//`. */
  | 'double-slash'
  /** `.` and `..` as segments. */
  | 'dot-segment'
  /** `;` and `%3B`. */
  | 'semicolon'
  /** Octets above 0x7F that are not UTF-8 (`%E9`) or not percent-encoded. */
  | 'non-utf8'

const rawOctet = /[\x80-\xff]/

/** Whether a path, as sent, has the spelling. */
const spellings: Readonly<Record<PathException, (path: string) => boolean>> = {
  'encoded-slash': matching(/%2f/i),
  'encoded-backslash': matching(/%5c/i),
  'encoded-unreserved': matching(/%(?:2[de]|3\d|[46][1-9a-f]|5[\daf]|7[\dae])/i),
  'encoded-control': matching(/%(?:[01][\da-f]|7f)/i),
  'encoded-delimiter': matching(/%(?:3f|23)/i),
  'double-encoding': matching(/%25[\da-f]{2}/i),
  'double-slash': matching(/\/\//),
  'dot-segment': matching(/\/\.{1,2}(?:\/|$)/),
  semicolon: matching(/;|%3b/i),
  'non-utf8': (path) => rawOctet.test(path) || hasStray(path),
}

export const pathExceptions: readonly PathException[] = Object.keys(spellings) as PathException[]

/** The first spelling in a path that is not among those named. */
export function unnamedSpelling(path: string, named: readonly PathException[]): PathException | undefined {
  return pathExceptions.find((one) => !named.includes(one) && spellings[one](path))
}

function matching(form: RegExp): (path: string) => boolean {
  return (path) => form.test(path)
}
