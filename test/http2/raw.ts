import type { Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { onTestFinished } from 'vitest'
import { tcpBackend } from '../helpers/backend.ts'
import { open } from '../helpers/client.ts'
import {
  data,
  flags,
  headers,
  ping,
  preface,
  type Settings,
  settings,
  settingsAck,
  type TypeName,
  typeNames,
  windowUpdate,
} from './frames.ts'
import { HpackReader } from './hpack.ts'

/** A frame that came; HEADERS with its CONTINUATION frames is one. */
export interface Frame {
  /** Its place in `frames`. */
  readonly index: number
  readonly type: number
  readonly name: TypeName | undefined
  readonly flags: number
  readonly stream: number
  /** Without padding; of HEADERS the whole block. */
  readonly payload: Buffer
  /** DATA or HEADERS with END_STREAM. */
  readonly isEnd: boolean
  /** SETTINGS or PING with ACK. */
  readonly isAck: boolean
  /** Of HEADERS: names and values in turn. */
  readonly fields: readonly string[]
  /** Of RST_STREAM and GOAWAY. */
  readonly code: number | undefined
  /** Of GOAWAY. */
  readonly lastStream: number | undefined
}

export interface RawOptions {
  /** What its first SETTINGS say; `false` sends no SETTINGS and no preface. Default: nothing besides an empty frame. */
  readonly settings?: Settings | false
  /** Whether it acknowledges SETTINGS and answers PING by itself. Default true. */
  readonly acks?: boolean
  /** Whether it returns the credit of every DATA frame on arrival, for stream and connection. Default true. */
  readonly credit?: boolean
}

/** What a test awaits: a type of frame, or what a function says. */
export type Wanted = TypeName | ((frame: Frame) => boolean)

export interface Answer {
  /** Values of `:status`, interim ones first. */
  readonly statuses: readonly string[]
  /** The final head, `:status` included: names and values in turn. */
  readonly fields: readonly string[]
  readonly body: Buffer
  readonly trailers: readonly string[]
  /** Code of the RST_STREAM that ended it; undefined after END_STREAM. */
  readonly reset: number | undefined
}

/**
 * One end of a connection, client or backend, that sends the frames that a test gives it and notes those that come:
 * `const peer = await openRaw(port); peer.send(request(1)); await peer.answer(1)`.
 */
export class RawPeer {
  readonly socket: Socket
  readonly frames: Frame[] = []
  /** How the other side ended the connection, once it has. */
  end: 'fin' | 'reset' | undefined
  readonly #options: RawOptions
  readonly #hpack = new HpackReader()
  readonly #waiting = new Set<() => void>()
  readonly #onFrame: ((peer: RawPeer, frame: Frame) => void) | undefined
  #unread: Buffer = Buffer.alloc(0)
  #needsPreface: boolean
  /** HEADERS whose block is not over: flags and what came of the block. */
  #open: { readonly flags: number; readonly parts: Buffer[] } | undefined

  constructor(socket: Socket, isClient: boolean, options: RawOptions, onFrame?: (peer: RawPeer, frame: Frame) => void) {
    this.socket = socket
    // Several small writes would wait for acknowledgements.
    socket.setNoDelay(true)
    this.#options = options
    this.#onFrame = onFrame
    this.#needsPreface = !isClient
    // Small frames, one after the other, would wait for acknowledgements of TCP.
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('end', () => this.#over('fin'))
    socket.on('error', () => this.#over('reset'))
    socket.on('close', () => this.#over('reset'))
    if (options.settings === false) return
    if (isClient) socket.write(preface)
    this.send(settings(options.settings))
  }

  /** In one write. */
  send(...bytes: readonly Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(bytes))
  }

  /** The first frame of those at `from` and later that is wanted; waits for it. Fails when the connection ends before. */
  async until(wanted: Wanted, from = 0): Promise<Frame> {
    const isWanted = typeof wanted === 'function' ? wanted : (frame: Frame) => frame.name === wanted
    for (let at = from; ; at++) {
      while (at >= this.frames.length && this.end === undefined) await this.#change()
      const frame = this.frames[at]
      if (frame === undefined) throw new Error(`the connection ended (${this.end}) after ${this.said()}`)
      if (isWanted(frame)) return frame
    }
  }

  /** The whole response on a stream (as a client), or the whole request (as a backend), up to END_STREAM or RST_STREAM. */
  async answer(stream: number): Promise<Answer> {
    const last = await this.until((one) => one.stream === stream && (one.isEnd || one.name === 'RST_STREAM'))
    const own = this.frames.slice(0, last.index + 1).filter((one) => one.stream === stream)
    const heads = own.filter(({ name, fields }) => name === 'HEADERS' && fields.some((field) => field.startsWith(':')))
    const trailers = own.find((one) => one.name === 'HEADERS' && !heads.includes(one))
    return {
      statuses: heads.map(({ fields }) => fieldOf(fields, ':status') ?? ''),
      fields: heads.at(-1)?.fields ?? [],
      body: Buffer.concat(own.filter(({ name }) => name === 'DATA').map(({ payload }) => payload)),
      trailers: trailers?.fields ?? [],
      reset: last.name === 'RST_STREAM' ? last.code : undefined,
    }
  }

  /** Waits until the other side has ended the connection. */
  async ended(): Promise<'fin' | 'reset'> {
    while (this.end === undefined) await this.#change()
    return this.end
  }

  /** Waits for a PING to come back: all that was sent before has been read by then. */
  async settled(): Promise<void> {
    const from = this.frames.length
    this.send(ping('settled!'))
    await this.until((one) => one.name === 'PING' && one.isAck && one.payload.toString('latin1') === 'settled!', from)
  }

  /** The frames so far, a line of text for messages of tests: `SETTINGS HEADERS:1 GOAWAY(11)`. */
  said(): string {
    const texts = this.frames.map(({ name, type, stream, code }) => {
      return `${name ?? type}${stream > 0 ? `:${stream}` : ''}${code === undefined ? '' : `(${code})`}`
    })
    return texts.join(' ') || 'nothing'
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done)
        resolve()
      }
      this.#waiting.add(done)
    })
  }

  #over(end: 'fin' | 'reset'): void {
    this.end ??= end
    for (const done of this.#waiting) done()
  }

  #read(chunk: Buffer): void {
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk])
    if (this.#needsPreface) {
      if (this.#unread.length < preface.length) return
      if (!this.#unread.subarray(0, preface.length).equals(preface)) throw new Error('no HTTP/2 preface')
      this.#unread = this.#unread.subarray(preface.length)
      this.#needsPreface = false
    }
    while (this.#unread.length >= 9) {
      const length = this.#unread.readUIntBE(0, 3)
      if (this.#unread.length < 9 + length) break
      const [type, flagBits] = [this.#unread[3]!, this.#unread[4]!]
      const stream = this.#unread.readUInt32BE(5) & 0x7fffffff
      const payload = this.#unread.subarray(9, 9 + length)
      this.#unread = this.#unread.subarray(9 + length)
      this.#take(type, flagBits, stream, payload)
    }
    for (const done of this.#waiting) done()
  }

  #take(type: number, flagBits: number, stream: number, whole: Buffer): void {
    const name = typeNames[type]
    let payload = whole
    if ((name === 'DATA' || name === 'HEADERS') && (flagBits & flags.padded) > 0) {
      payload = payload.subarray(1, payload.length - payload[0]!)
    }
    if (name === 'HEADERS' && (flagBits & flags.priority) > 0) payload = payload.subarray(5)
    if (name === 'HEADERS') this.#open = { flags: flagBits, parts: [] }
    if (this.#open === undefined) return this.#note(type, flagBits, stream, payload, whole.length)
    if (name !== 'HEADERS' && name !== 'CONTINUATION') throw new Error(`${name} within a header block`)
    this.#open.parts.push(payload)
    if ((flagBits & flags.endHeaders) === 0) return
    const { flags: own, parts } = this.#open
    this.#open = undefined
    this.#note(1, own | flags.endHeaders, stream, Buffer.concat(parts), 0)
  }

  #note(type: number, flagBits: number, stream: number, payload: Buffer, credit: number): void {
    const name = typeNames[type]
    const frame: Frame = {
      index: this.frames.length,
      type,
      name,
      flags: flagBits,
      stream,
      payload,
      isEnd: (name === 'DATA' || name === 'HEADERS') && (flagBits & flags.endStream) > 0,
      isAck: (name === 'SETTINGS' || name === 'PING') && (flagBits & flags.ack) > 0,
      fields: name === 'HEADERS' ? this.#hpack.read(payload) : [],
      code: name === 'RST_STREAM' ? payload.readUInt32BE(0) : name === 'GOAWAY' ? payload.readUInt32BE(4) : undefined,
      lastStream: name === 'GOAWAY' ? payload.readUInt32BE(0) : undefined,
    }
    this.frames.push(frame)
    const { acks = true, credit: isFollowed = true } = this.#options
    if (acks && name === 'SETTINGS' && !frame.isAck) this.send(settingsAck())
    if (acks && name === 'PING' && !frame.isAck) this.send(ping(payload, true))
    if (isFollowed && name === 'DATA' && credit > 0) {
      this.send(windowUpdate(0, credit), ...(frame.isEnd ? [] : [windowUpdate(stream, credit)]))
    }
    this.#onFrame?.(this, frame)
  }
}

/**
 * A client; ended when the test is over.
 *
 * @param tls authority and name: over TLS with `h2` by ALPN
 */
export async function openRaw(
  port: number,
  options: RawOptions = {},
  tls?: { readonly ca: string; readonly servername?: string },
): Promise<RawPeer> {
  if (tls === undefined) return new RawPeer(await open(port), true, options)
  const to = { host: '127.0.0.1', port, servername: 'localhost', ALPNProtocols: ['h2'], ...tls }
  const socket = await new Promise<Socket>((resolve, reject) => {
    const secured = connectTls(to, () => resolve(secured)).once('error', reject)
    onTestFinished(() => void secured.destroy())
  })
  return new RawPeer(socket, true, options)
}

export interface RawHttp2Backend {
  readonly port: number
  /** Its connections, in the order of connecting. */
  readonly peers: readonly RawPeer[]
}

/**
 * A backend that is told every frame, and answers as it likes: `rawBackend((peer, frame) => …)`.
 *
 * @param tls key and certificate: over TLS with `h2` by ALPN
 */
export async function rawBackend(
  onFrame: (peer: RawPeer, frame: Frame) => void,
  options: RawOptions = {},
  tls?: { readonly key: string; readonly cert: string },
): Promise<RawHttp2Backend> {
  const peers: RawPeer[] = []
  const accept = (socket: Socket): void => void peers.push(new RawPeer(socket, false, options, onFrame))
  if (tls === undefined) return { port: (await tcpBackend(accept)).port, peers }
  const create = (): ReturnType<typeof createTlsServer> => createTlsServer({ ...tls, ALPNProtocols: ['h2'] }, accept)
  return { port: (await tcpBackend(accept, create)).port, peers }
}

/** A handler of `rawBackend`: every whole request is answered with a head and a body. */
export function answering(body = 'ok', fields: readonly string[] = []): (peer: RawPeer, frame: Frame) => void {
  return (peer, { stream, isEnd }) => {
    if (!isEnd) return
    peer.send(headers(stream, [':status', '200', ...fields]), data(stream, body, { end: true }))
  }
}

/** Of a list of names and values in turn: the first value of a name. */
export function fieldOf(fields: readonly string[], name: string): string | undefined {
  for (let at = 0; at < fields.length; at += 2) if (fields[at] === name) return fields[at + 1]
  return undefined
}
