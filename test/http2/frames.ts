import { encodeBlock } from './hpack.ts'

/** Frames of HTTP/2 as a test wants them, wrong ones included: nothing here checks anything (RFC 9113 §6). */

export const preface: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** Types of frames by number. */
export const typeNames = [
  'DATA',
  'HEADERS',
  'PRIORITY',
  'RST_STREAM',
  'SETTINGS',
  'PUSH_PROMISE',
  'PING',
  'GOAWAY',
  'WINDOW_UPDATE',
  'CONTINUATION',
] as const

export type TypeName = (typeof typeNames)[number]

/** Codes of RST_STREAM and GOAWAY by name (§7). */
export const codes = {
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

/** Identifiers of settings by name (§6.5.2, RFC 8441 §3). */
export const settingIds = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  enableConnectProtocol: 8,
} as const

export type Settings = { [name in keyof typeof settingIds]?: number }

export const flags = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const

export interface HeadersOptions {
  /** END_STREAM. Default false. */
  readonly end?: boolean
  /** Whether the block is over; false leaves out END_HEADERS. Default true. */
  readonly complete?: boolean
  /** Bytes of padding. Default: none, and no PADDED flag. */
  readonly padding?: number
  /** The block in frames of at most so many bytes, the later ones CONTINUATION. Default: one frame. */
  readonly split?: number
}

/** Any frame. @param payload bytes, or latin1 text */
export function frame(
  type: TypeName | number,
  flagBits: number,
  stream: number,
  payload: Buffer | string = '',
): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload
  const head = Buffer.alloc(9)
  head.writeUIntBE(bytes.length, 0, 3)
  head[3] = typeof type === 'number' ? type : typeNames.indexOf(type)
  head[4] = flagBits
  head.writeUInt32BE(stream >>> 0, 5)
  return Buffer.concat([head, bytes])
}

/** HEADERS, with CONTINUATION if `split` says so. @param fields names and values in turn, or a block as it stands */
export function headers(stream: number, fields: readonly string[] | Buffer, options: HeadersOptions = {}): Buffer {
  const { end = false, complete = true, padding, split = Number.POSITIVE_INFINITY } = options
  const block = Buffer.isBuffer(fields) ? fields : encodeBlock(fields)
  const pieces: Buffer[] = []
  for (let at = 0; at === 0 || at < block.length; at += split) pieces.push(block.subarray(at, at + split))
  return Buffer.concat(
    pieces.map((piece, index) => {
      const last = complete && index === pieces.length - 1 ? flags.endHeaders : 0
      if (index > 0) return frame('CONTINUATION', last, stream, piece)
      const padded = padding === undefined ? 0 : flags.padded
      return frame('HEADERS', last | padded | (end ? flags.endStream : 0), stream, padTo(piece, padding))
    }),
  )
}

/** GET, or what `fields` says: pseudo-headers in `fields` replace those of the default. */
export function request(
  stream: number,
  fields: readonly string[] = [],
  options: HeadersOptions = { end: true },
): Buffer {
  return headers(stream, requestFields(fields), options)
}

/** The list of `request`. */
export function requestFields(fields: readonly string[] = []): string[] {
  const list = new Map([
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'a.test'],
  ])
  const rest: string[] = []
  for (let at = 0; at < fields.length; at += 2) {
    if (list.has(fields[at]!)) list.set(fields[at]!, fields[at + 1]!)
    else rest.push(fields[at]!, fields[at + 1]!)
  }
  return [...[...list].flat(), ...rest]
}

export function data(stream: number, body: Buffer | string, options: { end?: boolean; padding?: number } = {}): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body
  const padded = options.padding === undefined ? 0 : flags.padded
  return frame('DATA', padded | (options.end ? flags.endStream : 0), stream, padTo(bytes, options.padding))
}

export function settings(values: Settings = {}): Buffer {
  const names = Object.keys(values) as (keyof Settings)[]
  return rawSettings(names.map((name) => [settingIds[name], values[name]!]))
}

/** SETTINGS with identifiers as they stand. */
export function rawSettings(pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6)
  pairs.forEach(([id, value], index) => {
    payload.writeUInt16BE(id, index * 6)
    payload.writeUInt32BE(value, index * 6 + 2)
  })
  return frame('SETTINGS', 0, 0, payload)
}

export function settingsAck(): Buffer {
  return frame('SETTINGS', flags.ack, 0)
}

/** @param payload 8 characters */
export function ping(payload: Buffer | string = '12345678', isAck = false): Buffer {
  return frame('PING', isAck ? flags.ack : 0, 0, payload)
}

export function goaway(lastStream: number, code: number = codes.NO_ERROR, text = ''): Buffer {
  return frame('GOAWAY', 0, 0, Buffer.concat([uint32(lastStream), uint32(code), Buffer.from(text, 'latin1')]))
}

export function rst(stream: number, code: number = codes.CANCEL): Buffer {
  return frame('RST_STREAM', 0, stream, uint32(code))
}

export function windowUpdate(stream: number, increment: number): Buffer {
  return frame('WINDOW_UPDATE', 0, stream, uint32(increment))
}

export function priority(stream: number, dependsOn = 0, weight = 15): Buffer {
  return frame('PRIORITY', 0, stream, Buffer.concat([uint32(dependsOn), Buffer.of(weight)]))
}

/** @param block bytes of the header block @param end whether it is over */
export function continuation(stream: number, block: Buffer, end = true): Buffer {
  return frame('CONTINUATION', end ? flags.endHeaders : 0, stream, block)
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

function padTo(bytes: Buffer, padding: number | undefined): Buffer {
  return padding === undefined ? bytes : Buffer.concat([Buffer.of(padding), bytes, Buffer.alloc(padding)])
}
