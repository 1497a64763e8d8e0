import type { Socket } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { PosternError, type PosternErrorOptions } from '../errors.ts'
import { type Address, type ConnectDone, connectSocket, type connectTo } from '../net/connect.ts'
import { streamOfTls } from '../net/tls-stream.ts'
import type { ClientContext } from './client-context.ts'
import { handshakeProblem } from './handshake-problem.ts'
import { requestTls } from './postgres.ts'

export type SocketDone = (error: PosternError | undefined, socket: TLSSocket | undefined) => void

/** Opens TLS connections to one backend, and resumes its last session. */
export class TlsConnector {
  readonly context: ClientContext
  #session: Buffer | undefined
  /** When the certificate of the session expires: a resumed session is not verified again. */
  #validUntil = 0

  constructor(context: ClientContext) {
    this.context = context
  }

  /** As `connectTo`; `timeout` is for the handshake too. */
  readonly connectTo: typeof connectTo = (
    backend: Address,
    timeout: number,
    done: ConnectDone,
    greeting?: Buffer | undefined,
  ) => this.connectSocket(backend, timeout, (error, socket) => done(error, socket && streamOfTls(socket)), greeting)

  /** `connectTo` for what needs a socket of node. It has no listeners of others. @param greeting in clear, before the handshake */
  connectSocket(
    backend: Address,
    timeout: number,
    done: SocketDone,
    greeting?: Buffer | undefined,
  ): { cancel(): void } {
    return new Handshake(this, backend, timeout, done, greeting)
  }

  /** The session to resume, if there is one. */
  get session(): Buffer | undefined {
    if (this.#session !== undefined && Date.now() >= this.#validUntil) this.forget()
    return this.#session
  }

  /** Resumes it with the next connections. Node tells of it when the backend is verified. */
  readonly learn = (session: Buffer): void => {
    this.#session = session
  }

  /** A handshake is complete. */
  verified(socket: TLSSocket): void {
    if (socket.isSessionReused()) return
    const { verify } = this.context.settings
    this.#validUntil = verify ? (socket.getPeerX509Certificate()?.validToDate.getTime() ?? 0) : Infinity
  }

  forget(): void {
    this.#session = undefined
  }
}

/** One connection, until its handshake is complete. */
class Handshake {
  readonly #connector: TlsConnector
  readonly #backend: Address
  readonly #timeout: number
  readonly #done: SocketDone
  readonly #since = performance.now()
  #connecting: { cancel(): void } | undefined
  #timer: NodeJS.Timeout | undefined
  /** Before TLS has begun. */
  #plain: Socket | undefined
  #socket: TLSSocket | undefined

  constructor(connector: TlsConnector, backend: Address, timeout: number, done: SocketDone, greeting?: Buffer) {
    this.#connector = connector
    this.#backend = backend
    this.#timeout = timeout
    this.#done = done
    this.#connecting = connectSocket(backend, timeout, (error, socket) => {
      this.#connecting = undefined
      if (socket === undefined) return done(error, undefined)
      // It is with the kernel before anything of the handshake: both use one handle, in this order.
      if (greeting !== undefined) socket.write(greeting)
      this.#begin(socket)
    })
  }

  cancel(): void {
    this.#connecting?.cancel()
    this.#plain?.destroy()
    // Once `done` has been called, the socket belongs to the caller.
    this.#release()?.destroy()
  }

  #begin(plain: Socket): void {
    this.#timer = setTimeout(() => this.#late(), Math.max(1, this.#timeout - (performance.now() - this.#since)))
    if (this.#connector.context.settings.starttls === undefined) return this.#secure(plain)
    this.#plain = plain
    requestTls(plain, (problem) => {
      if (problem !== undefined) return this.#fail(problem, {})
      this.#plain = undefined
      this.#secure(plain)
    })
  }

  #secure(plain: Socket): void {
    const { context, session } = this.#connector
    const socket = connect({
      ...context.optionsFor(this.#backend.host),
      socket: plain,
      ...(context.alpn.length > 0 && { ALPNProtocols: [...context.alpn] }),
      ...(session !== undefined && { session }),
    })
    this.#socket = socket
    // TLS 1.2 sends it before the end of the handshake, TLS 1.3 after it.
    socket.on('session', this.#connector.learn)
    socket.once('secureConnect', this.#secured)
    socket.once('error', this.#failed)
    socket.once('close', this.#closed)
  }

  readonly #secured = (): void => {
    const socket = this.#release()!
    this.#connector.verified(socket)
    this.#done(undefined, socket)
  }

  readonly #failed = (cause: NodeJS.ErrnoException): void => {
    // The session may be what the backend did not like.
    this.#connector.forget()
    this.#fail(`TLS handshake failed: ${handshakeProblem(cause)}`, { cause })
  }

  readonly #closed = (): void => this.#fail('TLS handshake failed: the backend closed the connection', {})

  #late(): void {
    this.#fail(`no TLS handshake within ${this.#timeout} ms`, { status: 504 })
  }

  #fail(problem: string, options: PosternErrorOptions): void {
    this.cancel()
    this.#done(new PosternError('UF', `${this.#backend.address}: ${problem}`, options), undefined)
  }

  /** Gives up the socket. A failure from now on has no listener here. */
  #release(): TLSSocket | undefined {
    const socket = this.#socket
    this.#socket = undefined
    clearTimeout(this.#timer)
    socket?.off('secureConnect', this.#secured)
    socket?.off('error', this.#failed)
    socket?.off('close', this.#closed)
    return socket
  }
}
