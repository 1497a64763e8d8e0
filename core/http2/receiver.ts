import {
  EMPTY_DATA,
  freeEntries,
  PINGS,
  PRIORITIES,
  SETTINGS_FRAMES,
  TABLE_ENTRIES,
  USELESS,
  WINDOW_UPDATES,
} from './budget.ts'
import { ENDED, THEIRS, UNKNOWN } from './closed-streams.ts'
import type { Http2Connection } from './connection.ts'
import { overflows } from './flow-window.ts'
import type { FrameReader } from './frame-reader.ts'
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  ErrorCode,
  GOAWAY,
  HEADERS,
  max31,
  maxList,
  maxResponseList,
  PADDED,
  PING,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
  WITH_PRIORITY,
} from './frames.ts'
import { HpackDecoder, HpackProblem } from './hpack-decoder.ts'
import { readSettings } from './settings.ts'

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, ENHANCE_YOUR_CALM } = ErrorCode

/** What a header block may have besides HEADERS: more than any list that is not too long, so that one that is can be answered. */
interface BlockLimits {
  /** Most CONTINUATION frames. */
  readonly frames: number
  /** Most bytes of them. */
  readonly bytes: number
  /** Most bytes of its list. */
  readonly list: number
}

const ofClients: BlockLimits = { frames: 8, bytes: 32 * 1024, list: maxList }
const ofBackends: BlockLimits = { frames: 32, bytes: 128 * 1024, list: maxResponseList }

/**
 * What a frame costs that is late rather than useless: DATA on a stream that was reset, since an upload of many small frames
 * may be under way; and all that a server sends on streams that this side has cancelled.
 */
const late = 1 / 16

/** A header block that is not over. */
interface Block {
  readonly id: number
  readonly isEnd: boolean
  readonly parts: Buffer[]
  /** Bytes of its CONTINUATION frames. */
  continued: number
}

/** Updates that a frame of data explains: HAProxy returns its 16 KB in small pieces, for stream and connection. */
const updatesOfFrame = 32

/** Processes the frames of a peer: refuses what RFC 9113 forbids, and tells the connection and its streams of the rest. */
export class Receiver {
  readonly #connection: Http2Connection
  readonly #reader: FrameReader
  #decoder: HpackDecoder | undefined
  #block: Block | undefined
  #added = 0
  /** SETTINGS of this side that the peer has not acknowledged. */
  #unacknowledged = 1

  constructor(connection: Http2Connection, reader: FrameReader) {
    this.#connection = connection
    this.#reader = reader
  }

  get #limits(): BlockLimits {
    return this.#connection.isServer ? ofClients : ofBackends
  }

  /** A header block has begun and is not over. */
  get isInBlock(): boolean {
    return this.#block !== undefined
  }

  /** Processes the current frame of the reader. */
  frame(): void {
    const { type, id, flags } = this.#reader
    const connection = this.#connection
    if (!connection.hasSettings && (type !== SETTINGS || (flags & ACK) !== 0)) {
      return connection.fail(PROTOCOL_ERROR, 'the first frame is not SETTINGS')
    }
    if (this.#block !== undefined && (type !== CONTINUATION || id !== this.#block.id)) {
      return connection.fail(PROTOCOL_ERROR, `a header block on stream ${this.#block.id} is interrupted`)
    }
    switch (type) {
      case DATA:
        return this.#data()
      case HEADERS:
        return this.#headers()
      case PRIORITY:
        return this.#priority()
      case RST_STREAM:
        return this.#reset()
      case SETTINGS:
        return this.#settings()
      case PUSH_PROMISE:
        return connection.fail(PROTOCOL_ERROR, 'PUSH_PROMISE, though push is disabled')
      case PING:
        return this.#ping()
      case GOAWAY:
        return this.#goaway()
      case WINDOW_UPDATE:
        return this.#windowUpdate()
      case CONTINUATION:
        return this.#continuation()
      default:
        connection.spend(USELESS)
    }
  }

  /** Checks what holds for frames of a fixed length, and to which kind of stream they belong. */
  #isShaped(name: string, length: number, onStream: boolean): boolean {
    const { from, to, id } = this.#reader
    if (to - from !== length) {
      this.#connection.fail(FRAME_SIZE_ERROR, `${name} has ${to - from} bytes instead of ${length}`)
      return false
    }
    if (id > 0 === onStream) return true
    this.#connection.fail(PROTOCOL_ERROR, `${name} on stream ${id}`)
    return false
  }

  /** Index behind the payload without padding; `undefined`: it is wrong, and the connection has failed. */
  #unpadded(name: string): number | undefined {
    const reader = this.#reader
    if ((reader.flags & PADDED) === 0) return reader.to
    if (reader.from === reader.to) {
      this.#connection.fail(FRAME_SIZE_ERROR, `${name} has no length of its padding`)
      return undefined
    }
    const end = reader.to - reader.bytes[reader.from]!
    reader.from++
    if (end >= reader.from) return end
    this.#connection.fail(PROTOCOL_ERROR, `${name} has more padding than payload`)
    return undefined
  }

  #data(): void {
    const connection = this.#connection
    const reader = this.#reader
    const { id, to, flags } = reader
    const size = to - reader.from
    if (id === 0) return connection.fail(PROTOCOL_ERROR, 'DATA on stream 0')
    connection.window.left -= size
    if (connection.window.left < 0) return connection.fail(FLOW_CONTROL_ERROR, 'more DATA than the window allows')
    const end = this.#unpadded('DATA')
    if (end === undefined) return
    const stream = connection.streams.get(id)
    if (stream === undefined || stream.hasEnded) {
      connection.giveCredit(size)
      if (stream === undefined) this.#stray('DATA', size > 0 ? late : 1)
      else connection.failStream(stream, STREAM_CLOSED, 'DATA after END_STREAM')
      return
    }
    const isEnd = (flags & END_STREAM) !== 0
    const length = end - reader.from
    if (length > 0) connection.budget.refund(PINGS, 2)
    else if (!isEnd) connection.spend(EMPTY_DATA)
    if (isEnd) stream.hasEnded = true
    const isFree = stream.takeData(length > 0 ? reader.piece(reader.from, end) : undefined, size - length)
    if (isFree === undefined) {
      return connection.failStream(stream, FLOW_CONTROL_ERROR, 'more DATA than the window of the stream allows')
    }
    if (isFree && length > 0) reader.giveBack()
    if (isEnd) connection.endedByPeer(stream)
  }

  /** DATA or a header block on a stream that is not open. @param cost of the budget for frames without effect */
  #stray(name: string, cost: number): void {
    const connection = this.#connection
    const { id } = this.#reader
    if (connection.table.isIdle(id)) return connection.fail(PROTOCOL_ERROR, `${name} on the idle stream ${id}`)
    const why = connection.table.closed.whyOf(id)
    connection.spend(USELESS, cost)
    if (why === THEIRS) return connection.refuseStream(id, STREAM_CLOSED)
    // A client has long forgotten streams that it cancelled, and their servers may be slow.
    if (why === ENDED || (why === UNKNOWN && connection.isServer)) {
      connection.fail(why === ENDED ? STREAM_CLOSED : PROTOCOL_ERROR, `${name} on the closed stream ${id}`)
    }
  }

  #headers(): void {
    const connection = this.#connection
    const reader = this.#reader
    const { id, flags } = reader
    if (id % 2 === 0) return connection.fail(PROTOCOL_ERROR, `HEADERS on stream ${id}`)
    const end = this.#unpadded('HEADERS')
    if (end === undefined) return
    if ((flags & WITH_PRIORITY) !== 0) reader.from += 5
    if (reader.from > end) return connection.fail(FRAME_SIZE_ERROR, 'HEADERS is too short for its priority')
    const isEnd = (flags & END_STREAM) !== 0
    const block = reader.bytes.subarray(reader.from, end)
    if ((flags & END_HEADERS) !== 0) return this.#whole(id, block, isEnd)
    this.#block = { id, isEnd, parts: [Buffer.from(block)], continued: 0 }
  }

  #continuation(): void {
    const connection = this.#connection
    const { bytes, from, to, id, flags } = this.#reader
    const block = this.#block
    if (block === undefined) return connection.fail(PROTOCOL_ERROR, `CONTINUATION on stream ${id} without HEADERS`)
    const limits = this.#limits
    block.continued += to - from
    if (block.continued > limits.bytes) {
      return connection.fail(ENHANCE_YOUR_CALM, `a header block has more than ${limits.bytes} bytes of CONTINUATION`)
    }
    if (block.parts.length > limits.frames) {
      return connection.fail(ENHANCE_YOUR_CALM, `a header block has more than ${limits.frames} CONTINUATION frames`)
    }
    block.parts.push(Buffer.from(bytes.subarray(from, to)))
    if ((flags & END_HEADERS) === 0) return
    this.#block = undefined
    this.#whole(id, Buffer.concat(block.parts), block.isEnd)
  }

  /** A header block is complete. It is decoded even if its stream is closed: the table goes on from it. */
  #whole(id: number, block: Buffer, isEnd: boolean): void {
    const connection = this.#connection
    this.#decoder ??= new HpackDecoder()
    const decoder = this.#decoder
    const decoded = decoder.decode(block, this.#limits.list)
    if (decoded instanceof HpackProblem && decoded.kind === 'compression') {
      return connection.fail(ErrorCode.COMPRESSION_ERROR, decoded.problem)
    }
    const added = decoder.added - this.#added
    this.#added = decoder.added
    if (added > freeEntries) connection.spend(TABLE_ENTRIES, added - freeEntries)
    const stream = connection.streams.get(id)
    if (stream === undefined) {
      if (!connection.isServer || !connection.table.isIdle(id))
        return this.#stray('HEADERS', connection.isServer ? 1 : late)
      connection.budget.refund(WINDOW_UPDATES, 2)
      connection.budget.refund(USELESS, 2)
      connection.budget.refund(PRIORITIES, 1)
      return connection.opened(id, decoded instanceof HpackProblem ? undefined : decoded, isEnd)
    }
    // A server gives credit for the body of a request, and may do so when it has already answered.
    if (!connection.isServer) {
      connection.budget.refund(WINDOW_UPDATES, 2)
      connection.budget.refund(USELESS, 2)
    }
    if (stream.hasEnded) return connection.failStream(stream, STREAM_CLOSED, 'HEADERS after END_STREAM')
    if (decoded instanceof HpackProblem) return stream.onTooLong(decoded.problem)
    if (connection.isServer && !isEnd) {
      return connection.failStream(stream, PROTOCOL_ERROR, 'trailers without END_STREAM')
    }
    if (isEnd) stream.hasEnded = true
    stream.takeFields(decoded, isEnd)
    if (isEnd) connection.endedByPeer(stream)
  }

  #priority(): void {
    if (!this.#isShaped('PRIORITY', 5, true)) return
    this.#connection.spend(PRIORITIES)
  }

  #reset(): void {
    if (!this.#isShaped('RST_STREAM', 4, true)) return
    const connection = this.#connection
    const { bytes, from, id } = this.#reader
    const stream = connection.streams.get(id)
    if (stream !== undefined) connection.resetByPeer(stream, bytes.readUInt32BE(from))
    else this.#unheeded('RST_STREAM')
  }

  /** A frame that a closed stream may still get, since the peer may not have known, but an idle one may not. */
  #unheeded(name: string): void {
    const { id } = this.#reader
    if (this.#connection.table.isIdle(id)) this.#connection.fail(PROTOCOL_ERROR, `${name} on the idle stream ${id}`)
    else this.#connection.spend(USELESS, this.#connection.isServer ? 1 : late)
  }

  #settings(): void {
    const connection = this.#connection
    const { bytes, from, to, id, flags } = this.#reader
    if (id !== 0) return connection.fail(PROTOCOL_ERROR, `SETTINGS on stream ${id}`)
    if ((flags & ACK) !== 0) {
      if (to > from) return connection.fail(FRAME_SIZE_ERROR, 'an acknowledgement of SETTINGS has a payload')
      if (this.#unacknowledged > 0) this.#unacknowledged--
      else connection.spend(USELESS)
      return
    }
    if ((to - from) % 6 !== 0) return connection.fail(FRAME_SIZE_ERROR, `SETTINGS has ${to - from} bytes`)
    connection.spend(SETTINGS_FRAMES)
    const read = readSettings(bytes, from, to, connection.peer, connection.isServer)
    if ('problem' in read) return connection.fail(read.code, read.problem)
    connection.settings(read)
  }

  #ping(): void {
    if (!this.#isShaped('PING', 8, false)) return
    const connection = this.#connection
    const { bytes, from, flags } = this.#reader
    if ((flags & ACK) !== 0) {
      if (!connection.ponged(bytes.readUInt32BE(from), bytes.readUInt32BE(from + 4))) connection.spend(USELESS)
      return
    }
    this.#refund()
    connection.spend(PINGS)
    connection.sender.output.pingAck(bytes, from)
    connection.schedule()
  }

  /** Data that has been sent explains updates, and PINGs that measure the bandwidth. */
  #refund(): void {
    const frames = this.#connection.sender.takeFrames()
    if (frames === 0) return
    this.#connection.budget.refund(WINDOW_UPDATES, updatesOfFrame * frames)
    this.#connection.budget.refund(PINGS, frames)
  }

  #goaway(): void {
    const connection = this.#connection
    const { bytes, from, to, id } = this.#reader
    if (id !== 0) return connection.fail(PROTOCOL_ERROR, `GOAWAY on stream ${id}`)
    if (to - from < 8) return connection.fail(FRAME_SIZE_ERROR, `GOAWAY has ${to - from} bytes`)
    connection.spend(USELESS)
    connection.goneAway(bytes.readUInt32BE(from) & max31, bytes.readUInt32BE(from + 4))
  }

  #windowUpdate(): void {
    const connection = this.#connection
    const { bytes, from, to, id } = this.#reader
    if (to - from !== 4) return connection.fail(FRAME_SIZE_ERROR, `WINDOW_UPDATE has ${to - from} bytes instead of 4`)
    const increment = bytes.readUInt32BE(from) & max31
    this.#refund()
    connection.spend(WINDOW_UPDATES)
    if (id === 0) return this.#credit(increment)
    const stream = connection.streams.get(id)
    if (stream === undefined) return this.#unheeded('WINDOW_UPDATE')
    if (increment === 0) return connection.failStream(stream, PROTOCOL_ERROR, 'WINDOW_UPDATE of 0')
    if (overflows(stream.credit, increment)) {
      return connection.failStream(stream, FLOW_CONTROL_ERROR, 'WINDOW_UPDATE makes the window larger than 2^31-1')
    }
    stream.credit += increment
    connection.sender.credited(stream)
  }

  /** Credit for the connection. */
  #credit(increment: number): void {
    const connection = this.#connection
    if (increment === 0) return connection.fail(PROTOCOL_ERROR, 'WINDOW_UPDATE of 0 for the connection')
    if (overflows(connection.sender.window, increment)) {
      return connection.fail(FLOW_CONTROL_ERROR, 'WINDOW_UPDATE makes the window of the connection larger than 2^31-1')
    }
    connection.sender.window += increment
    connection.schedule()
  }
}
