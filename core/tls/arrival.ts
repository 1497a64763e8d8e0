import { type SecureContext, TLSSocket } from 'node:tls'
import type { OutcomeCode } from '../errors.ts'
import type { ByteReceiver, ByteStream } from '../net/byte-stream.ts'
import { sayLast } from '../net/last-words.ts'
import type { TlsFacts } from '../net/peer.ts'
import { ServerHandshake } from '../net/raw-handshake.ts'
import { isRawHandshakeUsable } from '../net/raw-handshake-check.ts'
import { RawSocket } from '../net/raw-socket.ts'
import { type Expiring, WheelTimer } from '../net/timer-wheel.ts'
import { feed, socketOf, streamOfTls } from '../net/tls-stream.ts'
import { alertOf, alertRecord, type OwnAlert } from './alerts.ts'
import type { ClientHello } from './client-hello.ts'
import type { ClientRules } from './client-rules.ts'
import { type Handshaking, handshakes } from './handshake-gate.ts'
import { factsOfHandshake, factsOfHello, factsOfRawHandshake } from './tls-facts.ts'

/** Why a connection did not become one over TLS. */
export interface HandshakeFailure {
  readonly code: OutcomeCode
  /** For the log. */
  readonly problem: string
  /** Name of the alert that ended it, of either side. */
  readonly alert: string | undefined
  /** Of the policy that refused it. */
  readonly plugin?: string | undefined
}

/** Follows connections until they are over TLS. Each gets exactly one call. */
export interface ArrivalOwner {
  /** @param stream not started */
  onSecured(arrival: TlsArrival, stream: ByteStream): void
  /** The certificate of the client is not accepted, which TLS 1.3 cannot tell it any more. @param stream not started; to be ended */
  onUnverified(arrival: TlsArrival, stream: ByteStream, problem: string): void
  /** The connection is closed, or will be. */
  onFailed(arrival: TlsArrival, failure: HandshakeFailure): void
}

/** What a handshake may agree on. */
export interface HandshakeOptions {
  readonly context: SecureContext
  /** An OCSP response (DER), for clients that ask for it. */
  readonly staple?: Buffer | undefined
  /** Protocols in the order of preference. A client that offers only others is refused; one that offers none is not. */
  readonly alpn?: string[]
  /** Default: the client is not asked for a certificate. */
  readonly clients?: ClientRules | undefined
}

const late: HandshakeFailure = { code: 'CI', problem: 'the TLS handshake timed out', alert: undefined }
const gone: HandshakeFailure = { code: 'DC', problem: 'the client left during the TLS handshake', alert: undefined }
const crowded: HandshakeFailure = {
  code: 'OM',
  problem: 'too many TLS handshakes at once, and this one had been under way for longest',
  alert: undefined,
}

/** A connection that has begun with a ClientHello, until it is over TLS. Its owner calls `secure` or `refuse`. */
export class TlsArrival implements Expiring, Handshaking {
  readonly stream: ByteStream
  facts: TlsFacts
  readonly #owner: ArrivalOwner
  readonly #timer = new WheelTimer(this)
  /** All that the client has sent, until the handshake begins. */
  #bytes: Buffer
  #options: HandshakeOptions | undefined
  #socket: TLSSocket | undefined
  #handshake: ServerHandshake | undefined
  #isOver = false

  /**
   * @param stream without a receiver
   * @param bytes of the ClientHello, and behind it
   * @param limit until the handshake is over, ms
   */
  constructor(stream: ByteStream, hello: ClientHello, bytes: Buffer, limit: number, owner: ArrivalOwner) {
    this.stream = stream
    this.facts = factsOfHello(hello)
    this.#bytes = bytes
    this.#owner = owner
    this.#timer.arm(Math.max(1, limit))
  }

  // ── for the owner ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends the connection with an alert, before a handshake has begun. */
  refuse(failure: HandshakeFailure & { readonly alert: OwnAlert }): void {
    if (!this.#end()) return
    sayLast(this.stream, alertRecord(failure.alert))
    this.#owner.onFailed(this, failure)
  }

  /** Begins the handshake, when it is its turn. */
  secure(options: HandshakeOptions): void {
    this.#options = options
    handshakes.enter(this)
  }

  /** Ends it immediately. */
  abort(failure: HandshakeFailure): void {
    this.#fail(failure)
  }

  // ── handshake ──────────────────────────────────────────────────────────────────────────────────────────────────────

  begin(): void {
    const { stream } = this
    // Only a socket of node tells of a client's certificate.
    if (this.#options!.clients !== undefined || !(stream instanceof RawSocket) || !isRawHandshakeUsable()) {
      return this.#beginOnSocket()
    }
    const bytes = this.#bytes
    this.#bytes = nothing
    this.#handshake = new ServerHandshake(stream, this.#options!, new Watch(this.#gone, this.#failed), this.#done)
    this.#handshake.feed(bytes)
  }

  readonly #done = (): void => {
    const { stream, handle } = this.#handshake!
    if (!this.#end()) return
    try {
      this.facts = factsOfRawHandshake(handle, this.facts)
    } catch (error) {
      stream.destroy()
      return this.#owner.onFailed(this, { code: 'GE', problem: (error as Error).message, alert: undefined })
    }
    this.#owner.onSecured(this, stream)
  }

  #beginOnSocket(): void {
    const { context, staple, alpn, clients } = this.#options!
    const below = socketOf(this.stream)
    const socket = new TLSSocket(below, {
      isServer: true,
      secureContext: context,
      // Node goes on after a certificate that is not verified in any case.
      ...(clients !== undefined && { requestCert: true, rejectUnauthorized: clients.isRequired }),
      ...(alpn !== undefined && { ALPNProtocols: alpn }),
    })
    const bytes = this.#bytes
    this.#socket = socket
    this.#bytes = nothing
    if (staple !== undefined) (socket as unknown as { ssl: TlsHandle }).ssl.setOCSPResponse(staple)
    socket.once('secure', this.#secured)
    socket.once('end', this.#gone)
    socket.on('error', this.#failed)
    socket.once('close', this.#gone)
    feed(socket, below, bytes)
  }

  readonly #secured = (): void => {
    const socket = this.#socket!
    const { clients } = this.#options!
    if (!this.#end()) return
    socket.off('end', this.#gone)
    socket.off('close', this.#gone)
    let stream: ByteStream
    let problem: string | undefined
    try {
      this.facts = factsOfHandshake(socket, this.facts, clients)
      problem = clients?.refusalOf(this.facts.client)
      stream = streamOfTls(socket)
    } catch (error) {
      // Whatever a client shows: in a callback of node it would end the process.
      socket.destroy()
      return this.#owner.onFailed(this, { code: 'GE', problem: (error as Error).message, alert: undefined })
    }
    socket.off('error', this.#failed)
    if (problem === undefined) this.#owner.onSecured(this, stream)
    else this.#owner.onUnverified(this, stream, `the client's certificate is not accepted: ${problem}`)
  }

  readonly #gone = (): void => this.#fail(gone)

  readonly #failed = (error: NodeJS.ErrnoException & { reason?: string }): void => {
    const { alert, isReceived } = alertOf(error)
    if (error.code?.startsWith('ERR_SSL_') !== true) return this.#fail(gone)
    const reason = error.reason ?? error.code
    const problem = isReceived ? `the client ended the TLS handshake: ${alert}` : `the TLS handshake failed: ${reason}`
    this.#fail({ code: 'DPE', problem, alert })
  }

  giveWay(): void {
    this.#fail(crowded)
  }

  onTimeout(): void {
    this.#fail(late)
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #fail(failure: HandshakeFailure): void {
    if (!this.#end()) return
    this.stream.destroy()
    this.#socket?.destroy()
    this.#handshake?.stream.destroy()
    this.#owner.onFailed(this, failure)
  }

  /** False: it is over already. */
  #end(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#timer.disarm()
    handshakes.leave(this)
    return true
  }
}

/** Node's servers pass on what they get by their event `OCSPRequest` in this way. */
interface TlsHandle {
  setOCSPResponse(response: Buffer): void
}

/** Sees a connection end during its handshake. */
class Watch implements ByteReceiver {
  readonly onEnd: () => void
  readonly onClose: () => void
  readonly onError: (cause: Error) => void

  constructor(gone: () => void, failed: (cause: Error) => void) {
    this.onEnd = gone
    this.onClose = gone
    this.onError = failed
  }

  onBytes(): boolean {
    return true
  }
  onDrain(): void {}
}

const nothing = Buffer.alloc(0)
