import { connect, isIP, type OnReadOpts, type Socket } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { PosternError } from '../errors.ts'
import type { ByteStream } from './byte-stream.ts'
import { descriptors } from './descriptors.ts'
import { DuplexStream, SocketReader } from './duplex-stream.ts'
import { type KeepAlive, keepAlive } from './keep-alive.ts'
import { areRawSocketsUsable } from './raw-check.ts'
import { RawSocket } from './raw-socket.ts'
import { type TcpHandle, tcp } from './tcp-binding.ts'

/** The address of a backend. */
export interface Address {
  readonly host: string
  readonly port: number
  /** Of a Unix socket, instead of host and port. */
  readonly path?: string | undefined
  /** As messages name it. */
  readonly address: string
  /** Address of this host that connections to it come from. Default: the one that the kernel chooses. */
  readonly source?: string | undefined
  /** Default: none. */
  readonly keepAlive?: KeepAlive | undefined
}

/**
 * Opens a TCP connection to a backend, name resolution included, or one to a Unix socket.
 *
 * @param timeout Until the connection is established, ms.
 * @param done Called exactly once, never before this function has returned and never after `cancel`. The stream has not been
 *   started, and Nagle's algorithm is off. The error is `UF`: status 504 on a timeout, else 502; or `OM`: no descriptor is
 *   left for it, which is no fault of the backend.
 * @param greeting The first bytes of the connection, which never change. Default: none.
 */
export function connectTo(
  backend: Address,
  timeout: number,
  done: ConnectDone,
  greeting?: Buffer | undefined,
): { cancel(): void } {
  return greeting === undefined
    ? connectRaw(backend, timeout, done)
    : connectRaw(backend, timeout, greet(done, greeting))
}

/** `connect` for connections that begin in the same way. */
export function greetingBy(connect: typeof connectTo, greeting: Buffer | undefined): typeof connectTo {
  if (greeting === undefined) return connect
  return (backend, timeout, done) => connect(backend, timeout, done, greeting)
}

function greet(done: ConnectDone, greeting: Buffer): ConnectDone {
  return (error, stream) => {
    stream?.write(greeting)
    done(error, stream)
  }
}

function connectRaw(backend: Address, timeout: number, done: ConnectDone): { cancel(): void } {
  if (areRawSocketsUsable() && backend.path === undefined) {
    // The names of a host, and which of its addresses answers, are left to node.
    if (isIP(backend.host) !== 0) return new RawConnecting(backend, timeout, done)
    return connectSocket(backend, timeout, (error, socket) => done(error, socket && new RawSocket(takeHandle(socket))))
  }
  const reader = new SocketReader()
  const connected = (error: PosternError | undefined, socket: Socket | undefined): void =>
    done(error, socket && new DuplexStream(socket, reader))
  return connectSocket(backend, timeout, connected, reader.onread)
}

export type ConnectDone = (error: PosternError | undefined, stream: ByteStream | undefined) => void

/**
 * `connectTo` for what needs a socket of node, like TLS. The socket has no listeners and allows half-open.
 *
 * @param onread of the socket. Default: it emits `data` like any other stream.
 */
export function connectSocket(
  { host, port, path, address, source, keepAlive: kept }: Address,
  timeout: number,
  done: (error: PosternError | undefined, socket: Socket | undefined) => void,
  onread?: OnReadOpts,
): { cancel(): void } {
  const options =
    path === undefined
      ? { host, port, noDelay: true, allowHalfOpen: true, autoSelectFamily: true, localAddress: source }
      : { path, allowHalfOpen: true }
  const socket = connect(onread === undefined ? options : { ...options, onread })
  const timer = setTimeout(() => fail(lateError(address, timeout)), timeout)

  let settled = false

  function settle(): void {
    settled = true
    clearTimeout(timer)
    socket.off('connect', connected)
    socket.off('error', refused)
  }
  function cancel(): void {
    // Once `done` has been called, the socket belongs to the caller.
    if (settled) return
    settle()
    socket.destroy()
  }
  function fail(error: PosternError): void {
    cancel()
    done(error, undefined)
  }
  function connected(): void {
    settle()
    if (kept !== undefined) keepAlive((socket as unknown as { _handle: TcpHandle })._handle, kept)
    done(undefined, socket)
  }
  function refused(cause: NodeJS.ErrnoException): void {
    fail(refusedError(address, cause))
  }
  socket.once('connect', connected)
  socket.once('error', refused)
  return { cancel }
}

/** A handle that connects to a literal address. */
class RawConnecting {
  readonly #backend: Address
  readonly #done: ConnectDone
  readonly #handle: TcpHandle
  readonly #timer: NodeJS.Timeout
  #settled = false

  constructor(backend: Address, timeout: number, done: ConnectDone) {
    const { host, port, address, source } = backend
    const { TCP, TCPConnectWrap, constants } = tcp!
    this.#backend = backend
    this.#done = done
    this.#timer = setTimeout(() => this.#fail(lateError(address, timeout)), timeout)
    const handle = new TCP(constants.SOCKET)
    const request = new TCPConnectWrap()
    this.#handle = handle
    request.oncomplete = (status) => this.#connected(status)
    const isSix = host.includes(':')
    const bound = source === undefined ? 0 : isSix ? handle.bind6(source, 0, 0) : handle.bind(source, 0, 0)
    const status = bound || (isSix ? handle.connect6(request, host, port) : handle.connect(request, host, port))
    // Not before this function has returned.
    if (status !== 0) setImmediate(() => this.#connected(status))
  }

  cancel(): void {
    // Once `done` has been called, the connection belongs to the caller.
    if (this.#settled) return
    this.#settle()
    this.#handle.close(ignoreClose)
  }

  #settle(): void {
    this.#settled = true
    clearTimeout(this.#timer)
  }

  #fail(error: PosternError): void {
    this.cancel()
    this.#done(error, undefined)
  }

  #connected(status: number): void {
    if (this.#settled) return
    if (status !== 0) {
      const code = getSystemErrorName(status)
      const { address, port } = this.#backend
      const cause = Object.assign(new Error(`connect ${code} ${address}`), {
        code,
        errno: status,
        syscall: 'connect',
        port,
      })
      return this.#fail(refusedError(address, cause))
    }
    this.#settle()
    this.#handle.setNoDelay(true)
    keepAlive(this.#handle, this.#backend.keepAlive)
    this.#done(undefined, new RawSocket(this.#handle))
  }
}

/** Takes the connection away from a socket that has just been connected, and is used no more. */
function takeHandle(socket: Socket): TcpHandle {
  const holder = socket as unknown as { _handle: TcpHandle | null }
  const handle = holder._handle!
  holder._handle = null
  return handle
}

function ignoreClose(): void {}

function lateError(address: string, timeout: number): PosternError {
  return new PosternError('UF', `${address}: no connection within ${timeout} ms`, { status: 504 })
}

function refusedError(address: string, cause: NodeJS.ErrnoException): PosternError {
  if (!descriptors.isCauseOf(cause)) {
    return new PosternError('UF', `${address}: cannot connect: ${cause.code ?? cause.message}`, { cause })
  }
  return new PosternError('OM', `${address}: no descriptor is left for a connection (${cause.code})`, { cause })
}
