import { kinds, TOKEN, VALUE } from '../http/characters.ts'

// Where the line of a chunk is after its size. The grammar is that of RFC 9112 §7.1.1:
// *( BWS ";" BWS name [ BWS "=" BWS value ] ), where a value is a token or a quoted string.

/** Behind the size, or behind whitespace after it. */
export const PADDING = 0
const BEFORE_NAME = 1
const NAME = 2
const AFTER_NAME = 3
const BEFORE_VALUE = 4
const TOKEN_VALUE = 5
const QUOTED = 6
const ESCAPED = 7
const QUOTED_VALUE = 8
const AFTER_VALUE = 9
/** In an extension that is against the grammar. */
const ODD = 10
/** The end of the line, a character that no line has, or something else than an extension behind the size. */
export const OVER = 11

/** Where a line at each of the twelve places is after each byte: `place << 8 | byte`. */
export const afterByte: Uint8Array = Uint8Array.from({ length: 12 << 8 }, (_, i) => next(i >> 8, i & 0xff))

function next(place: number, byte: number): number {
  const kind = kinds[byte]!
  if ((kind & VALUE) === 0) return OVER
  const isToken = (kind & TOKEN) !== 0
  switch (place) {
    case PADDING:
      return isSpace(byte) ? PADDING : byte === 0x3b ? BEFORE_NAME : OVER
    case BEFORE_NAME:
      return isToken ? NAME : isSpace(byte) ? BEFORE_NAME : ODD
    case NAME:
      return isToken ? NAME : afterName(byte)
    case AFTER_NAME:
      return afterName(byte)
    case BEFORE_VALUE:
      return isToken ? TOKEN_VALUE : byte === 0x22 ? QUOTED : isSpace(byte) ? BEFORE_VALUE : ODD
    case TOKEN_VALUE:
      return isToken ? TOKEN_VALUE : afterValue(byte)
    case QUOTED_VALUE:
    case AFTER_VALUE:
      return afterValue(byte)
    case QUOTED:
      return byte === 0x22 ? QUOTED_VALUE : byte === 0x5c ? ESCAPED : QUOTED
    case ESCAPED:
      return QUOTED
    default:
      return ODD
  }
}

/** Whether a line may end here by the grammar, which has no whitespace before the end. */
export function mayEnd(place: number): boolean {
  return place === NAME || place === TOKEN_VALUE || place === QUOTED_VALUE
}

function afterName(byte: number): number {
  return byte === 0x3d ? BEFORE_VALUE : byte === 0x3b ? BEFORE_NAME : isSpace(byte) ? AFTER_NAME : ODD
}

function afterValue(byte: number): number {
  return byte === 0x3b ? BEFORE_NAME : isSpace(byte) ? AFTER_VALUE : ODD
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09
}
