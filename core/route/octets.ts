// What servers make of the octets of a path above 0x7F when these are not UTF-8. Each function returns a path without such
// octets unchanged.

const highEscapes = /(?:%[89a-f][\da-f])+/gi
const highEscape = /%[89a-f][\da-f]/i

const tail = '%[89ab][\\da-f]'
/** Percent-encoded characters beyond ASCII (RFC 3629 §4). */
const characters = new RegExp(
  [
    `%(?:c[2-9a-f]|d[\\da-f])${tail}`,
    `%(?:e0%[ab][\\da-f]|ed%[89][\\da-f]|e[1-9abcef]${tail})${tail}`,
    `%(?:f0%[9ab][\\da-f]|f4%8[\\da-f]|f[1-3]${tail})${tail}${tail}`,
  ].join('|'),
  'gi',
)

/** Percent-encodes the octets above 0x7F of a raw path, one character each. */
export function encodeOctets(path: string): string {
  return path.replace(/[\x80-\xff]/g, (octet) => `%${octet.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** Whether percent-encoded octets of the path are not UTF-8. */
export function hasStray(path: string): boolean {
  // Not `decodeURIComponent`: it throws, and a path may have thousands of strays.
  return highEscape.test(path) && highEscape.test(path.replace(characters, ' '))
}

/** As a server in ISO-8859-1 reads them. */
export function asLatin1(path: string): string {
  return decodeStrays(path, (octets) => octets.toString('latin1'))
}

/** As a server reads them that replaces what is not UTF-8. */
export function withReplacements(path: string): string {
  return decodeStrays(path, (octets) => octets.toString('utf8'))
}

/** As a server reads them that drops what is not UTF-8. */
export function withoutStrays(path: string): string {
  return decodeStrays(path, (octets) => octets.toString('utf8').replaceAll('\ufffd', ''))
}

/**
 * As a careless UTF-8 decoder reads overlong forms of ASCII characters: `%C0%AF` is a slash for it, and so is `%C0%2F`, since
 * it looks at the low six bits of the second octet only.
 */
export function withOverlong(path: string): string {
  return path
    .replace(/%(c[01])%([\da-f]{2})/gi, (_, lead: string, next: string) => sixBits(octetOf(lead) & 1, octetOf(next)))
    .replace(/%e0%(8[\da-f])%([89ab][\da-f])/gi, (_, mid: string, next: string) => {
      return sixBits(octetOf(mid) & 0x3f, octetOf(next))
    })
    .replace(/%f0%80%(8[\da-f])%([89ab][\da-f])/gi, (_, mid: string, next: string) => {
      return sixBits(octetOf(mid) & 0x3f, octetOf(next))
    })
}

function decodeStrays(path: string, read: (octets: Buffer) => string): string {
  if (!hasStray(path)) return path
  return path.replace(highEscapes, (run) => read(Buffer.from(run.replaceAll('%', ''), 'hex')))
}

function octetOf(hex: string): number {
  return Number.parseInt(hex, 16)
}

function sixBits(high: number, low: number): string {
  return String.fromCharCode((high << 6) | (low & 0x3f))
}
