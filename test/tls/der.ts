/** Writes DER (X.690), as far as certificates and revocation lists need it. */

/** One element of any tag. */
export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  return Buffer.concat([Buffer.from([tag, ...lengthOf(content.length)]), content])
}

function lengthOf(length: number): number[] {
  if (length < 0x80) return [length]
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return [0x80 | bytes.length, ...bytes]
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return element(0x30, ...parts)
}

export function set(...parts: readonly Uint8Array[]): Buffer {
  return element(0x31, ...parts)
}

/** A constructed, explicit tag of its context. */
export function tagged(number: number, ...parts: readonly Uint8Array[]): Buffer {
  return element(0xa0 | number, ...parts)
}

export function integer(value: bigint): Buffer {
  let hex = value.toString(16)
  if (hex.length % 2 === 1) hex = `0${hex}`
  const bytes = Buffer.from(hex, 'hex')
  return element(0x02, bytes[0]! >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes)
}

export function boolean(value: boolean): Buffer {
  return element(0x01, Buffer.from([value ? 0xff : 0]))
}

export function octets(bytes: Uint8Array): Buffer {
  return element(0x04, bytes)
}

/** @param unused bits at the end of the last byte that do not count. */
export function bits(bytes: Uint8Array, unused: number = 0): Buffer {
  return element(0x03, Buffer.from([unused]), bytes)
}

/** Whatever characters it has: hostile names are written with it too. */
export function text(value: string): Buffer {
  return element(0x0c, Buffer.from(value, 'utf8'))
}

export function nothing(): Buffer {
  return element(0x05)
}

export function oid(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split('.').map(Number) as [number, number, ...number[]]
  const bytes = [first * 40 + second, ...rest.flatMap(base128)]
  return element(0x06, Buffer.from(bytes))
}

function base128(value: number): number[] {
  const bytes = [value % 128]
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift(128 | (rest % 128))
  return bytes
}

/** RFC 5280 §4.1.2.5: two digits of the year before 2050. */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/\.\d+/, '').replace(/[-:T]/g, '')
  return date.getUTCFullYear() < 2050 ? element(0x17, Buffer.from(digits.slice(2))) : element(0x18, Buffer.from(digits))
}
