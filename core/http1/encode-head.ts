import type { Fields } from '../http/fields.ts'
import { httpDate } from '../http/http-date.ts'
import { encodeFields, lineOf } from './encode-fields.ts'
import { CHUNKED, type Framing } from './framing.ts'

// Not imported: an import reads every export, which loads Node's own fetch: 140 ms of CPU time at each worker's start.
const { STATUS_CODES } = process.getBuiltinModule('node:http')

/**
 * The head of a request, up to the empty line.
 *
 * @param target path and query, checked before
 * @param framing of the body that follows; 0 repeats a `content-length: 0` and adds none
 * @param upgrade protocol that the backend is asked to switch to
 */
export function encodeRequestHead(
  method: string,
  target: string,
  fields: Fields,
  framing: Framing,
  upgrade: string | undefined,
): string {
  let head = method + ' ' + target + ' HTTP/1.1\r\n' + encodeFields(fields)
  if (framing === CHUNKED) head += lineOf('transfer-encoding', fields) + 'chunked\r\n'
  else if (framing > 0 || fields.has('content-length')) head += lineOf('content-length', fields) + framing + '\r\n'
  if (upgrade !== undefined) head += encodeUpgrade(upgrade)
  // RFC 9110 §10.1.4: TE counts only when Connection names it.
  else if (fields.has('te')) head += 'connection: te\r\n'
  return head + '\r\n'
}

/**
 * The head of a final response, up to the empty line; `Date` is added when it is missing.
 *
 * @param reason empty: the standard one of the status
 * @param length value of `content-length`; `undefined` writes none
 * @param connection `close` or `keep-alive`, where that is not the default of the client's version
 */
export function encodeResponseHead(
  status: number,
  reason: string,
  fields: Fields,
  framing: Framing,
  length: number | undefined,
  connection: 'close' | 'keep-alive' | undefined,
): string {
  let head = statusLine(status, reason) + encodeFields(fields)
  if (length !== undefined) head += lineOf('content-length', fields) + length + '\r\n'
  else if (framing === CHUNKED) head += lineOf('transfer-encoding', fields) + 'chunked\r\n'
  if (!fields.has('date')) head += 'date: ' + httpDate() + '\r\n'
  const upgrade = status === 426 ? fields.get('upgrade') : undefined
  // RFC 9110 §7.8: `Connection` names `Upgrade`.
  if (upgrade !== undefined)
    head += 'connection: ' + (connection === 'close' ? 'close, ' : '') + 'upgrade\r\nupgrade: ' + upgrade + '\r\n'
  else if (connection !== undefined) head += 'connection: ' + connection + '\r\n'
  return head + '\r\n'
}

/** The head of an interim response (RFC 9110 §15.2): 100, 102, 103. */
export function encodeInterimHead(status: number, fields: Fields | undefined): string {
  return statusLine(status, '') + (fields === undefined ? '' : encodeFields(fields)) + '\r\n'
}

/** The head of a 101, after which the connection is a tunnel (RFC 9110 §15.2.2). */
export function encodeSwitchHead(protocol: string, fields: Fields): string {
  return statusLine(101, '') + encodeFields(fields) + encodeUpgrade(protocol) + '\r\n'
}

function encodeUpgrade(protocol: string): string {
  return 'connection: upgrade\r\nupgrade: ' + protocol.replace(/[^\t\x20-\x7e]/g, ' ') + '\r\n'
}

/** Lines with the standard reason, by status: testing and joining others takes 0.1 µs. */
const standardLines: readonly (string | undefined)[] = Array.from({ length: 1000 }, (_, status) => {
  const reason = STATUS_CODES[status]
  return reason === undefined ? undefined : 'HTTP/1.1 ' + status + ' ' + reason + '\r\n'
})

function statusLine(status: number, reason: string): string {
  const standard = standardLines[status]
  if (standard !== undefined && (reason === '' || reason === STATUS_CODES[status])) return standard
  const clean = /^[\t\x20-\x7e\x80-\xff]*$/.test(reason) ? reason : ''
  return 'HTTP/1.1 ' + status + ' ' + (clean || (STATUS_CODES[status] ?? '')) + '\r\n'
}
