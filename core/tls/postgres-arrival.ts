import type { ByteReceiver, ByteStream } from '../net/byte-stream.ts'
import { sayLast } from '../net/last-words.ts'
import { type Expiring, WheelTimer } from '../net/timer-wheel.ts'
import { nothing, requestLength, requestOf } from './postgres.ts'

/** Follows connections until they have asked for TLS. Exactly one of the methods is called, once; the stream has no receiver then. */
export interface PostgresOwner {
  /** TLS is next. @param isDirect the client has begun with it, and did not ask before (libpq: `sslnegotiation=direct`) */
  onTls(arrival: PostgresArrival, isDirect: boolean): void
  /** The client goes on in clear, which is allowed. */
  onClear(arrival: PostgresArrival): void
  /** The connection is closed, or will be. */
  onRefused(arrival: PostgresArrival, code: 'DPE' | 'CI' | 'DC', problem: string): void
  /** The client has not sent a byte; the connection is closed. */
  onQuit(arrival: PostgresArrival): void
}

/** First byte of a TLS connection: the type of a record with a handshake. */
const handshake = 22

/** A new connection of a listener whose clients ask for TLS as those of PostgreSQL do. */
export class PostgresArrival implements ByteReceiver, Expiring {
  readonly stream: ByteStream
  readonly #owner: PostgresOwner
  readonly #allowsClear: boolean
  readonly #timer = new WheelTimer(this)
  #held: Buffer = nothing
  #hasSpoken = false
  #hasAskedForGss = false
  #isOver = false

  /**
   * @param stream not started
   * @param limit until the client has asked, ms
   * @param allowsClear whether clients may do without TLS
   */
  constructor(stream: ByteStream, limit: number, allowsClear: boolean, owner: PostgresOwner) {
    this.stream = stream
    this.#owner = owner
    this.#allowsClear = allowsClear
    this.#timer.arm(limit)
    stream.start(this)
  }

  onBytes(bytes: Buffer): boolean {
    this.#hasSpoken = true
    this.#held = Buffer.concat([this.#held, bytes])
    const request = requestOf(this.#held)
    if (request === 'nothing') this.#begin(this.#held)
    // CVE-2021-23214: a third party sends them, to be taken for the first of the encrypted connection.
    else if (this.#held.length > requestLength) this.#refuse('bytes in clear followed the request for encryption')
    else if (request !== undefined) this.#answer(request)
    return true
  }

  #answer(request: 'tls' | 'gss'): void {
    this.#held = nothing
    if (request === 'tls') {
      this.stream.writeText('S')
      if (this.#end()) this.#owner.onTls(this, false)
    } else if (this.#hasAskedForGss) this.#refuse('the client asked for encryption by GSSAPI twice')
    else {
      this.#hasAskedForGss = true
      this.stream.writeText('N')
    }
  }

  #begin(first: Buffer): void {
    const isDirect = first[0] === handshake
    if (!isDirect && !this.#allowsClear) {
      if (!this.#end()) return
      sayLast(this.stream, errorResponse('28000', 'this port takes only TLS: set sslmode=require or a stricter one'))
      return this.#owner.onRefused(this, 'DPE', 'the client did not ask for TLS')
    }
    if (!this.#end()) return
    this.stream.giveBack(first)
    if (isDirect) this.#owner.onTls(this, true)
    else this.#owner.onClear(this)
  }

  onEnd(): void {
    this.stream.destroy()
  }

  onDrain(): void {}

  onError(): void {}

  onClose(): void {
    if (!this.#end()) return
    if (this.#hasSpoken) this.#owner.onRefused(this, 'DC', 'the client left before the TLS handshake')
    else this.#owner.onQuit(this)
  }

  onTimeout(): void {
    if (!this.#end()) return
    this.stream.destroy()
    if (this.#hasSpoken) this.#owner.onRefused(this, 'CI', 'the client did not ask for TLS in time')
    else this.#owner.onQuit(this)
  }

  /** Ends it immediately; the owner gets no call. */
  abort(): void {
    if (this.#end()) this.stream.destroy()
  }

  #refuse(problem: string): void {
    if (!this.#end()) return
    this.stream.reset()
    this.#owner.onRefused(this, 'DPE', problem)
  }

  /** False: it is over already. */
  #end(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#timer.disarm()
    this.stream.leave()
    return true
  }
}

/** What PostgreSQL sends to a client that it refuses (ErrorResponse). */
function errorResponse(code: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`)
  const head = Buffer.alloc(5, 'E')
  head.writeInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
}
