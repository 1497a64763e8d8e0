import { Malformed } from '../http/malformed.ts'
import { connectionOptions, isPersistent } from './connection-options.ts'
import { RequestReader } from './request-reader.ts'

/**
 * Whether the pipelined requests at the beginning of these bytes are whole up to one that announces that no other follows it:
 * HTTP/1.0, or `Connection: close` (RFC 9112 §9.6).
 */
export function announceLast(bytes: Buffer): boolean {
  const reader = new RequestReader()
  const { body, input } = reader
  input.push(bytes, false)
  for (;;) {
    const head = reader.nextHead()
    if (head === undefined || head instanceof Malformed) return false
    // Without a piece, the body is complete or the rest of it is missing.
    while (!body.done && body.problem === undefined && input.length > 0 && body.read(input) !== undefined);
    if (!body.done || body.problem !== undefined) return false
    if (head.version === '1.0' || !isPersistent(head.version, connectionOptions(head.fields))) return true
  }
}
