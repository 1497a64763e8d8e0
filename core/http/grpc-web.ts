import type { Fields } from './fields.ts'

// gRPC-Web as https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md has it.

/** First byte of the frame that carries the trailers, behind the messages. */
const TRAILERS = 0x80

/** The trailers of a response as the last frame of its body: a flag, four bytes of length, and lines as of HTTP/1.1. */
export function trailerFrame({ list }: Fields): Buffer {
  let text = ''
  for (let i = 0; i < list.length; i += 2) text += `${list[i]}: ${list[i + 1]}\r\n`
  const frame = Buffer.allocUnsafe(5 + text.length)
  frame[0] = TRAILERS
  frame.writeUInt32BE(text.length, 1)
  frame.write(text, 5, 'latin1')
  return frame
}

/** A piece of a body in base64, padded: `grpc-web-text` may have any number of such texts, one after the other. */
export function encodePiece(bytes: Uint8Array): Buffer {
  return Buffer.from(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64'), 'latin1')
}

/** Decodes a body in base64 that arrives in pieces, cut anywhere, and that may be padded in the middle. */
export class Base64Reader {
  /** Characters of a group of four that is not complete. */
  #rest = ''

  /** The bytes of all groups that are complete; `undefined`: this is not base64. */
  read(piece: Uint8Array): Buffer | undefined {
    const text = this.#rest + Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('latin1')
    const whole = text.length - (text.length % 4)
    this.#rest = text.slice(whole)
    const parts: Buffer[] = []
    for (let at = 0; at < whole; ) {
      const padding = text.indexOf('=', at)
      const end = padding === -1 || padding >= whole ? whole : padding + 4 - (padding % 4)
      const part = text.slice(at, end)
      if (!/^[\w+/]*={0,2}$/.test(part) || part.includes('_')) return undefined
      parts.push(Buffer.from(part, 'base64'))
      at = end
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  /** Whether the last group is complete. */
  get isComplete(): boolean {
    return this.#rest === ''
  }
}
