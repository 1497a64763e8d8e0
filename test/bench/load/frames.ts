/** A frame of a WebSocket (RFC 6455 §5.2). */
export interface Frame {
  /** 1: text; 8: the end. */
  readonly opcode: number
  /** Unmasked. */
  readonly payload: Buffer
  /** Of the whole frame, bytes. */
  readonly length: number
}

/** The longest payload whose length fits the frame's second byte. */
const longest = 125

/**
 * A text message in one frame.
 *
 * @param mask four bytes; clients have to, servers must not.
 * @throws {RangeError} for more than 125 bytes: the bench has no use for longer ones.
 */
export function frameOf(payload: Buffer, mask?: Buffer): Buffer {
  if (payload.length > longest) throw new RangeError(`a message of ${payload.length} bytes`)
  if (mask === undefined) return Buffer.concat([Buffer.from([0x81, payload.length]), payload])
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask, masked(payload, mask)])
}

/**
 * The frame at the beginning of these bytes; `undefined` while it is not all there.
 *
 * @throws {RangeError} as `frameOf`.
 */
export function readFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 2) return undefined
  const isMasked = bytes[1]! >= 0x80
  const size = bytes[1]! & 0x7f
  if (size > longest) throw new RangeError('a message of more than 125 bytes')
  const begin = isMasked ? 6 : 2
  const length = begin + size
  if (bytes.length < length) return undefined
  const payload = bytes.subarray(begin, length)
  return { opcode: bytes[0]! & 0x0f, payload: isMasked ? masked(payload, bytes.subarray(2, 6)) : payload, length }
}

/** Masking twice is not masking. */
function masked(payload: Buffer, mask: Buffer): Buffer {
  return Buffer.from(payload.map((byte, index) => byte ^ mask[index % 4]!))
}
