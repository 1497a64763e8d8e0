import { Malformed } from '../http/malformed.ts'
import type { BodyReader } from './body-reader.ts'
import { connectionOptions, isPersistent } from './connection-options.ts'
import type { ReceiveBuffer } from './receive-buffer.ts'
import { RequestReader } from './request-reader.ts'

/**
 * Whether what follows is whole up to a request that announces that no other follows it: HTTP/1.0, or `Connection: close`
 * (RFC 9112 §9.6).
 *
 * @param bytes the rest of a body, and pipelined requests; the caller must not use them afterwards
 * @param body reads that rest
 */
export function announceLast(bytes: Buffer, body: BodyReader): boolean {
  const reader = new RequestReader()
  const { input } = reader
  input.push(bytes, false)
  if (!skip(body, input)) return false
  for (;;) {
    const head = reader.nextHead()
    if (head === undefined || head instanceof Malformed || !skip(reader.body, input)) return false
    if (head.version === '1.0' || !isPersistent(head.version, connectionOptions(head.fields))) return true
  }
}

/** Whether the body is there to its end. */
function skip(body: BodyReader, input: ReceiveBuffer): boolean {
  // Without a piece, the body is complete or the rest of it is missing.
  while (!body.done && body.problem === undefined && input.length > 0 && body.read(input) !== undefined);
  return body.done && body.problem === undefined
}
