/** Types of frames (RFC 9113 §6). */
export const DATA = 0
export const HEADERS = 1
export const PRIORITY = 2
export const RST_STREAM = 3
export const SETTINGS = 4
export const PUSH_PROMISE = 5
export const PING = 6
export const GOAWAY = 7
export const WINDOW_UPDATE = 8
export const CONTINUATION = 9

/** Flags; END_STREAM and ACK are the same bit, of different types. */
export const END_STREAM = 0x1
export const ACK = 0x1
export const END_HEADERS = 0x4
export const PADDED = 0x8
export const WITH_PRIORITY = 0x20

/** What a client sends first (§3.4). */
export const preface: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** Bytes before each payload. */
export const headLength = 9

/** Largest payload that is sent and accepted, bytes: the default of SETTINGS_MAX_FRAME_SIZE, which this side never raises. */
export const maxFrame: number = 16 * 1024

/** Largest flow-control window, and largest stream id. */
export const max31 = 0x7fffffff

/** Window that both sides begin with, bytes (§6.9.2). */
export const initialWindow = 65_535

/** SETTINGS_MAX_CONCURRENT_STREAMS of this side: most streams that a peer may have open. */
export const maxStreams = 128

/** Most bytes of a header list of a client, with 32 for each field (§6.5.2). */
export const maxList: number = 32 * 1024

/** The same of a backend: 64 KB, as over HTTP/1.1, and what the most fields that a response may have add to it. */
export const maxResponseList: number = 64 * 1024 + 500 * 32

/** Codes of RST_STREAM and GOAWAY (§7). */
export const ErrorCode = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  CONNECT_ERROR: 10,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
  HTTP_1_1_REQUIRED: 13,
} as const

/** Any 32-bit number: a peer may send codes that are not in the table. */
export type ErrorCode = number

const names = Object.keys(ErrorCode)

/** For messages: `PROTOCOL_ERROR`, or the number of an unknown code. */
export function nameOfCode(code: ErrorCode): string {
  return names[code] ?? `error ${code}`
}
