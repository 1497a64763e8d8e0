import { Readable } from 'node:stream'
import { type Dispatcher, Pool } from 'undici'
import { PosternError } from '../errors.ts'
import { Fields } from '../http1/fields.ts'
import type { Backend } from './backend.ts'
import { connectTo } from './connect.ts'

/** What goes to a backend. */
export interface ForwardRequest {
  readonly method: string
  /** Path and query, exactly as they go on the wire. */
  readonly target: string
  readonly fields: Fields
  readonly hasBody: boolean
}

/** Who sent the request on and awaits the answer; exactly one of `onEnd` and `onFail` is the last call, unless cancelled. */
export interface ForwardOwner {
  /** The request is on its way on a connection that stands. */
  onConnected(): void
  /** The backend takes (more of) the request's body. */
  onBodyWanted(): void
  onHead(status: number, reason: string, fields: Fields): void
  onData(chunk: Uint8Array): void
  onEnd(): void
  onFail(error: PosternError): void
}

/** A request under way on a backend: the seam between the flow and the machinery of HTTP on the upstream side. */
export interface Forwarding {
  /** False when the backend is slow: stop until `onBodyWanted`. */
  write(chunk: Uint8Array): boolean
  /** The request's body is complete. */
  end(): void
  pause(): void
  resume(): void
  /** The owner hears no more of it; the connection is not used again unless the exchange was complete. */
  cancel(): void
}

/** Sends the request to the backend, on an idle connection or a new one. Calls back later, never before it returns. */
export function forward(
  backend: Backend,
  request: ForwardRequest,
  connectTimeout: number,
  owner: ForwardOwner,
): Forwarding {
  const forwarding = new UndiciForwarding(owner, request.hasBody)
  poolOf(backend, connectTimeout).dispatch(
    {
      method: request.method as Dispatcher.HttpMethod,
      path: request.target,
      headers: request.fields.list,
      body: forwarding.body,
    },
    forwarding,
  )
  return forwarding
}

const pools = new WeakMap<Backend, { pool: Pool; connectTimeout: number }>()

function poolOf(backend: Backend, connectTimeout: number): Pool {
  const known = pools.get(backend)
  // A retired backend has closed its pool; a request of an old snapshot that still comes here gets a new one.
  if (known?.connectTimeout === connectTimeout && backend.pool !== undefined) return known.pool
  known?.pool.close()
  const pool = new Pool(`http://${backend.address}`, {
    // The flow keeps all times itself: undici's are coarse and have no outcome codes.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: 64 * 1024,
    connect: (_options, done) => {
      connectTo(backend, connectTimeout, (error, socket) => {
        if (socket === undefined) done(error ?? new Error('no socket'), null)
        else done(null, socket)
      })
    },
  })
  pools.set(backend, { pool, connectTimeout })
  backend.pool = { close: () => void pool.close() }
  return pool
}

const cancelled = new Error('the flow has ended')

class UndiciForwarding implements Forwarding, Dispatcher.DispatchHandler {
  readonly body: Readable | null
  readonly #owner: ForwardOwner
  #controller: Dispatcher.DispatchController | undefined
  #headSeen = false
  #over = false

  constructor(owner: ForwardOwner, hasBody: boolean) {
    this.#owner = owner
    this.body = hasBody
      ? new Readable({ highWaterMark: 64 * 1024, read: () => void (this.#over || owner.onBodyWanted()) })
      : null
  }

  write(chunk: Uint8Array): boolean {
    return this.#over || this.body === null ? true : this.body.push(chunk)
  }

  end(): void {
    if (!this.#over) this.body?.push(null)
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }

  cancel(): void {
    if (this.#over) return
    this.#over = true
    this.#controller?.abort(cancelled)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#over) controller.abort(cancelled)
    else this.#owner.onConnected()
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _headers: unknown, reason = ''): void {
    // A 1xx is not the response: undici hands it on like one.
    if (this.#over || status < 200) return
    this.#headSeen = true
    this.#owner.onHead(status, reason, Fields.fromRaw(text(controller.rawHeaders)))
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#over) this.#owner.onData(chunk)
  }

  onResponseEnd(): void {
    if (this.#over) return
    this.#over = true
    this.#owner.onEnd()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#over) return
    this.#over = true
    // The pool may refuse a request while it is being handed over, before the flow holds the forwarding.
    queueMicrotask(() => this.#owner.onFail(explain(error, this.#headSeen)))
  }
}

function text(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  return Array.isArray(raw) ? raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1'))) : []
}

function explain(error: Error & { code?: string }, headSeen: boolean): PosternError {
  if (error instanceof PosternError) return error
  const where = headSeen ? 'in the middle of the response' : 'before the response'
  const options = { cause: error }
  if (error.code === 'UND_ERR_SOCKET')
    return new PosternError('UC', `the backend closed the connection ${where}`, options)
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE') {
    return new PosternError('UR', `the backend reset the connection ${where}`, options)
  }
  if (
    error.name === 'HTTPParserError' ||
    error.code?.startsWith('HPE_') ||
    error.code?.startsWith('UND_ERR_RES') ||
    error.code === 'UND_ERR_HEADERS_OVERFLOW'
  ) {
    return new PosternError('UPE', `the backend's response is malformed: ${error.message}`, options)
  }
  return new PosternError('GE', `the request could not be sent on: ${error.message}`, options)
}
