import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { PosternError } from '../errors.ts'
import { Admission } from '../flow/admission.ts'
import { asPosternError, problemOf } from '../flow/outcome.ts'
import { RequestFlow } from '../flow/request.ts'
import type { FlowLog } from '../log.ts'
import type { HttpPlan } from '../snapshot.ts'
import { bind } from './bind.ts'
import type { HttpConnection } from './exchange.ts'
import type { BoundHandle, Listener } from './listener.ts'
import { NodeExchange } from './node-exchange.ts'
import { normalizeIp } from './trust.ts'

/** Accepts HTTP/1.1 connections and gives each request to a flow under the plan of the moment. */
export class HttpListener implements Listener {
  plan: HttpPlan
  active = 0
  readonly #log: FlowLog
  readonly #server: Server
  readonly #connections = new WeakMap<Socket, Connection>()
  /** Of the connections that are open. */
  readonly #admissions = new Set<Admission>()
  #draining = false
  #onEmpty: (() => void) | undefined

  constructor(plan: HttpPlan, log: FlowLog) {
    this.plan = plan
    this.#log = log
    const { head, keepAlive } = plan.config.timeouts
    this.#server = createServer({
      // The route table sees hosts before anything else does, and judges them more strictly.
      requireHostHeader: false,
      headersTimeout: head,
      connectionsCheckingInterval: Math.min(1000, head),
      requestTimeout: 0,
      keepAliveTimeout: keepAlive,
      maxHeaderSize: 32 * 1024,
      noDelay: true,
    })
    this.#server.on('connection', (socket: Socket) => this.#accept(socket))
    this.#server.on('request', (message: IncomingMessage, response: ServerResponse) => this.#request(message, response))
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => this.#malformed(error, socket))
  }

  #accept(socket: Socket): void {
    const connection: Connection = {
      peerIp: normalizeIp(socket.remoteAddress ?? ''),
      peerPort: socket.remotePort ?? 0,
      localPort: socket.localPort ?? 0,
      scheme: 'http',
      admission: undefined,
    }
    this.#connections.set(socket, connection)
    const { steps } = this.plan.admission
    if (steps.onConnect.length === 0 && steps.onDisconnect.length === 0) return
    const admission = new Admission(connection, this.plan, this.#log)
    connection.admission = admission
    this.#admissions.add(admission)
    socket.on('close', () => {
      this.#admissions.delete(admission)
      admission.end()
    })
  }

  replan(plan: HttpPlan): void {
    this.plan = plan
    this.#server.headersTimeout = plan.config.timeouts.head
    this.#server.keepAliveTimeout = plan.config.timeouts.keepAlive
  }

  #request(message: IncomingMessage, response: ServerResponse): void {
    const connection = this.#connections.get(message.socket)
    if (connection === undefined) return
    this.active++
    const exchange = new NodeExchange(message, response, connection, {
      onOver: () => this.#over(message.socket),
      isLast: () => this.#draining || connection.admission?.refusal !== undefined,
    })
    const flow = new RequestFlow(exchange, this.plan, this.#log)
    exchange.owner = flow
    const start = (): void => {
      try {
        const refusal = connection.admission?.refusal
        if (refusal !== undefined) flow.refuse(refusal.result, refusal.policy)
        else flow.start()
      } catch (error) {
        flow.crash(asPosternError(error))
      }
    }
    if (connection.admission === undefined) start()
    else connection.admission.whenDecided(start)
  }

  #over(socket: Socket): void {
    this.active--
    if (!this.#draining) return
    // Kept-alive by a response whose head left before the drain began.
    if (!socket.destroyed) socket.end()
    if (this.active === 0) this.#onEmpty?.()
  }

  /** What the parser refuses never becomes a request: it is answered and logged here. */
  #malformed(cause: NodeJS.ErrnoException, socket: Socket): void {
    if (cause.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    const error = explain(cause)
    const reply = problemOf(error, '')
    const head = reply.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    socket.end(
      `HTTP/1.1 ${reply.status} ${reply.reason}\r\n${head}content-length: ${Buffer.byteLength(reply.body)}\r\n` +
        `connection: close\r\n\r\n${reply.body}`,
      // Bytes still unread would turn the close into a reset and take the answer with them.
      () => socket.resume().setTimeout(1000, () => socket.destroy()),
    )
    this.#log.malformed(this.plan.name, this.#connections.get(socket)?.peerIp ?? '', error)
  }

  open(socket?: BoundHandle): Promise<void> {
    return bind(this.#server, this.plan, socket)
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  drain(): Promise<void> {
    this.#draining = true
    this.#server.close()
    this.#server.closeIdleConnections()
    return new Promise((resolve) => {
      if (this.active === 0) resolve()
      else this.#onEmpty = resolve
    })
  }

  close(): void {
    this.#draining = true
    this.#server.close()
    this.#server.closeAllConnections()
    // The sockets tell of it later, when the sandbox takes no calls any more.
    for (const admission of this.#admissions) admission.end()
  }
}

interface Connection extends HttpConnection {
  /** Set when the listener's policies judge connections. */
  admission: Admission | undefined
}

function explain(cause: NodeJS.ErrnoException): PosternError {
  if (cause.code === 'HPE_HEADER_OVERFLOW') {
    return new PosternError('DPE', 'the request head is larger than 32 KB', { cause, status: 431 })
  }
  if (cause.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new PosternError('DPE', 'the request head took too long to arrive', { cause, status: 408 })
  }
  return new PosternError('DPE', cause.message, { cause })
}
