import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { CONSUMED, type Consumed } from '../../core/http/exchange.ts'
import { Http2Connection } from '../../core/http2/connection.ts'
import type { ErrorCode } from '../../core/http2/frames.ts'
import { Http2Stream } from '../../core/http2/stream.ts'
import type { ByteStream } from '../../core/net/byte-stream.ts'
import { connectTo } from '../../core/net/connect.ts'
import { carrier } from '../http1/transport.ts'
import { fieldOf, openRaw, type RawOptions, type RawPeer } from './raw.ts'

/** A stream that notes what it is told, and does what its `:path` says (see `behave`). */
export class PlainStream extends Http2Stream {
  /** What it was told, a word each. */
  readonly told: string[] = []
  path = ''
  body = ''
  list: string[] | undefined
  /** Counts calls of `onWritable`; with `endless` it writes on. */
  endless = false

  onFields(list: string[], isEnd: boolean): void {
    this.list = list
    this.told.push(`fields ${list.filter((_, index) => index % 2 === 0).join(',')}${isEnd ? ' end' : ''}`)
  }

  onData(piece: Buffer): Consumed {
    this.body += piece.toString('latin1')
    if (this.told.at(-1) !== 'data') this.told.push('data')
    if (this.path === '/echo-pieces') this.sendData(Buffer.from(piece))
    return CONSUMED
  }

  onEndStream(): void {
    this.told.push('end')
    if (this.path === '/echo') this.answer(this.body)
    if (this.path === '/echo-pieces') this.sendEnd()
  }

  answer(body: string, fields: readonly string[] = []): void {
    this.sendHead([':status', '200', ...fields], true)
    if (body !== '') this.sendData(Buffer.from(body, 'latin1'))
    this.sendEnd()
  }

  onReset(code: ErrorCode | undefined, cause?: Error): void {
    this.told.push(`reset ${code}${cause === undefined ? '' : ` ${cause.message}`}`)
  }

  onWritable(): void {
    this.told.push('writable')
    while (this.endless && this.sendData(Buffer.alloc(1000, 'e')));
  }

  override onFlushed(): void {
    this.told.push('flushed')
  }
}

/** A connection that notes what it is told. */
export class PlainConnection extends Http2Connection {
  readonly told: string[] = []
  /** All streams that were opened, in order. */
  readonly made: PlainStream[] = []
  begun: (stream: PlainStream, isEnd: boolean) => void = behave

  constructor(transport: ByteStream, isServer: boolean) {
    super(transport, isServer)
    this.start()
  }

  protected open(id: number, list: string[] | undefined, isEnd: boolean): PlainStream | number {
    if (list !== undefined && fieldOf(list, ':path') === '/refuse') return 7
    const stream = new PlainStream(this, id)
    stream.list = list
    stream.path = list === undefined ? 'too long' : (fieldOf(list, ':path') ?? '')
    this.made.push(stream)
    this.begun(stream, isEnd)
    return stream
  }

  protected onGoaway(lastId: number, code: ErrorCode): void {
    this.told.push(`goaway ${lastId} ${code}`)
  }

  protected onSettings(): void {
    this.told.push('settings')
  }

  protected onOver(problem: Error | undefined): void {
    this.told.push(`over ${problem?.message ?? ''}`)
  }

  protected override onClosed(): void {
    this.told.push('closed')
  }
}

/**
 * What a stream of a server does at its beginning, by its path: `/` answers `hello`, `/empty` without a body, `/stall` pauses,
 * `/wait` does nothing, `/large` sends 200,000 bytes, `/endless` writes as long as it may, `/echo` sends the body back.
 */
export function behave(stream: PlainStream, isEnd: boolean): void {
  const { path } = stream
  if (path === '/') stream.answer('hello')
  else if (path === 'too long') stream.answer('too long')
  else if (path === '/empty') stream.answer('')
  else if (path === '/stall') stream.pause()
  else if (path === '/large') stream.answer('x'.repeat(200_000))
  else if (path === '/echo-pieces') stream.sendHead([':status', '200'], true)
  else if (path === '/echo' && isEnd) stream.answer('')
  else if (path === '/endless') {
    stream.sendHead([':status', '200'], true)
    stream.endless = true
    while (stream.sendData(Buffer.alloc(1000, 'e')));
  }
}

export interface Served {
  readonly peer: RawPeer
  readonly connection: PlainConnection
}

/** A server's connection and a raw client of it. */
export async function serve(options: RawOptions = {}): Promise<Served> {
  const { promise, resolve } = Promise.withResolvers<PlainConnection>()
  const server = await carrier().listen((stream) => resolve(new PlainConnection(stream, true)))
  onTestFinished(() => void server.close())
  const peer = await openRaw((server.address() as AddressInfo).port, options)
  const connection = await promise
  onTestFinished(() => connection.transport.destroy())
  return { peer, connection }
}

/** A client's connection to a port. */
export async function connect(port: number): Promise<PlainConnection> {
  const { promise, resolve, reject } = Promise.withResolvers<ByteStream>()
  connectTo({ host: '127.0.0.1', port, address: `127.0.0.1:${port}` }, 5000, (error, stream) => {
    if (stream === undefined) reject(error)
    else resolve(stream)
  })
  const connection = new PlainConnection(await promise, false)
  onTestFinished(() => connection.transport.destroy())
  return connection
}

/** A request of a client's connection that is sent in this turn. */
export function send(connection: PlainConnection, path = '/', isEnd = true): PlainStream {
  const stream = new PlainStream(connection, 0)
  connection.made.push(stream)
  stream.sendHead([':method', 'GET', ':scheme', 'http', ':path', path, ':authority', 'a.test'], true)
  if (isEnd) stream.sendEnd()
  return stream
}
