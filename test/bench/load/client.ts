import { connect, type Socket } from 'node:net'
import { createSecureContext, type SecureContext, connect as secure } from 'node:tls'
import type { Load } from './load.ts'

/** Of the PROXY protocol, version 1. */
export const proxyHeader = 'PROXY TCP4 192.0.2.1 127.0.0.1 4000 80\r\n'

/** What happened to a request; the time is µs since it was sent. */
export interface ClientEvents {
  onResponse(client: Client, micros: number): void
  /** The connection is gone. */
  onError(client: Client): void
}

/**
 * One kept-alive connection that has one request under way at a time, and does no more for it than it must. Understands
 * answers with a Content-Length.
 */
export class Client {
  bytes = 0
  readonly #socket: Socket
  readonly #events: ClientEvents
  #sentAt: number | undefined
  #head = ''
  /** Bytes of the body still to come; -1 while the head is. */
  #left = -1
  #over = false

  constructor({ port, tls, proxyHeader: isIntroduced }: Load, events: ClientEvents) {
    this.#events = events
    this.#socket = tls === undefined ? connect({ host: '127.0.0.1', port, noDelay: true }) : encrypted(port, tls)
    if (isIntroduced) this.#socket.write(proxyHeader)
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk))
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => this.#fail())
  }

  /** When the request that has no answer yet was sent. */
  get waitingSince(): number | undefined {
    return this.#sentAt
  }

  /** @param at when the request counts as sent, as `performance.now()` tells it. */
  send(request: string, at = performance.now()): void {
    this.#sentAt = at
    this.#left = -1
    this.#socket.write(request, 'latin1')
  }

  end(): void {
    this.#over = true
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    this.bytes += chunk.length
    if (this.#left === -1) {
      this.#head += chunk.toString('latin1')
      const end = this.#head.indexOf('\r\n\r\n')
      if (end === -1) return
      const head = this.#head
      this.#head = ''
      const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
      if (length === undefined || !head.startsWith('HTTP/1.1 200 ')) return void this.#socket.destroy()
      this.#left = Number(length) - (head.length - end - 4)
    } else {
      this.#left -= chunk.length
    }
    if (this.#left > 0 || this.#sentAt === undefined) return
    const micros = (performance.now() - this.#sentAt) * 1_000
    this.#sentAt = undefined
    this.#events.onResponse(this, micros)
  }

  #fail(): void {
    if (this.#over) return
    this.#over = true
    this.#events.onError(this)
  }
}

let context: SecureContext | undefined
let session: Buffer | undefined

function encrypted(port: number, how: 'full' | 'resumed'): Socket {
  // What nginx with an older OpenSSL knows, too: the same work for all.
  context ??= createSecureContext({ ca: [], ecdhCurve: 'X25519' })
  const options = {
    host: '127.0.0.1',
    port,
    servername: 'localhost',
    secureContext: context,
    rejectUnauthorized: false,
  }
  const socket = secure(how === 'full' || session === undefined ? options : { ...options, session })
  socket.setNoDelay(true)
  if (how === 'resumed') {
    socket.on('session', (latest) => {
      session = latest
    })
    socket.on('secureConnect', () => {
      if (session !== undefined && !socket.isSessionReused() && ++refused > 100)
        throw new Error('sessions are not resumed')
    })
  }
  return socket
}

/** Handshakes that could have resumed a session. The first ones of many connections cannot have. */
let refused = 0
