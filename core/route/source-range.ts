import { isIP } from 'node:net'

/** The addresses of one family whose first `length` bits are `bits`. */
export interface SourceRange {
  readonly family: 4 | 6
  readonly bits: bigint
  /** 0 to 32, or to 128. */
  readonly length: number
}

const widths = { 4: 32, 6: 128 } as const

/** First 96 bits of an IPv4 address that is written as one of IPv6 (RFC 4291 §2.5.5.2). */
const mapped = 0xffffn

/** A CIDR range or an address, which is the longest range. What is written behind the length of a range does not count. */
export function rangeOf(text: string): SourceRange {
  const slash = text.indexOf('/')
  const first = slash === -1 ? text : text.slice(0, slash)
  const address = addressOf(first)
  if (address === undefined) throw new TypeError(`not an address range: ${text}`)
  if (slash === -1) return address
  // The length of an IPv4 range in the spelling of IPv6 (`::ffff:10.0.0.0/104`) counts the first 96 bits, too.
  const length = Number(text.slice(slash + 1)) - (widths[isIP(first) as 4 | 6] - address.length)
  return length < 0 ? { family: 6, bits: 0n, length: length + 96 } : around(address, length)
}

/** The range that holds only this address; `undefined`: the text is not an address. */
export function addressOf(text: string): SourceRange | undefined {
  const version = isIP(text)
  if (version === 4) return { family: 4, bits: ofParts(text.split('.'), 10, 8n), length: 32 }
  if (version !== 6) return undefined
  const bits = bitsOf6(text.split('%', 1)[0]!)
  return bits >> 32n === mapped ? { family: 4, bits: bits & 0xffffffffn, length: 32 } : { family: 6, bits, length: 128 }
}

/** The same for two ranges that hold the same addresses. */
export function rangeKey({ family, bits, length }: SourceRange): string {
  return `${family}/${length}/${bits.toString(16)}`
}

/** The range of that length around an address. */
export function around({ family, bits }: SourceRange, length: number): SourceRange {
  return { family, bits: bits >> BigInt(widths[family] - length), length }
}

function bitsOf6(text: string): bigint {
  const dot = text.indexOf('.')
  if (dot !== -1) {
    const at = text.lastIndexOf(':') + 1
    const last = ofParts(text.slice(at).split('.'), 10, 8n)
    return bitsOf6(`${text.slice(0, at)}${(last >> 16n).toString(16)}:${(last & 0xffffn).toString(16)}`)
  }
  const [before, after] = text.split('::') as [string, string?]
  const head = groupsOf(before)
  if (after === undefined) return ofParts(head, 16, 16n)
  const tail = groupsOf(after)
  return ofParts([...head, ...new Array<string>(8 - head.length - tail.length).fill('0'), ...tail], 16, 16n)
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':')
}

function ofParts(parts: readonly string[], base: number, width: bigint): bigint {
  let bits = 0n
  for (const part of parts) bits = (bits << width) | BigInt(Number.parseInt(part, base))
  return bits
}
