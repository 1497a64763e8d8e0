import { createServer, type Server, type Socket } from 'node:net'
import { PosternError } from '../errors.ts'
import { Admission } from '../flow/admission.ts'
import { asPosternError, problemOf } from '../flow/local-reply.ts'
import { RequestFlow } from '../flow/request.ts'
import { normalizeIp } from '../http/client-address.ts'
import type { HttpConnection } from '../http/exchange.ts'
import { Fields } from '../http/fields.ts'
import type { Malformed } from '../http/malformed.ts'
import { ServerConnection } from '../http1/server-connection.ts'
import type { ServerExchange } from '../http1/server-exchange.ts'
import type { ServerHandler } from '../http1/server-handler.ts'
import { acceptWithReaders } from '../net/accept.ts'
import type { HttpPlan } from '../snapshot/snapshot.ts'
import type { FlowLog } from '../telemetry/log.ts'
import { bind } from './bind.ts'
import type { BoundHandle, Listener } from './listener.ts'

/** Accepts HTTP/1.1 connections and gives each request to a flow under the plan of the moment. */
export class HttpListener implements Listener, ServerHandler {
  plan: HttpPlan
  active = 0
  readonly #log: FlowLog
  readonly #server: Server
  readonly #connections = new Set<ServerConnection>()
  #draining = false
  #onEmpty: (() => void) | undefined

  constructor(plan: HttpPlan, log: FlowLog) {
    this.plan = plan
    this.#log = log
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket))
  }

  get timeouts(): { readonly head: number; readonly keepAlive: number } {
    return this.plan.config.timeouts
  }

  #accept(socket: Socket): void {
    const facts: Connection = {
      peerIp: normalizeIp(socket.remoteAddress ?? ''),
      peerPort: socket.remotePort ?? 0,
      localPort: socket.localPort ?? 0,
      scheme: 'http',
      admission: undefined,
    }
    const connection = new ServerConnection(socket, facts, this)
    this.#connections.add(connection)
    const { steps } = this.plan.admission
    if (steps.onConnect.length + steps.onDisconnect.length > 0)
      facts.admission = new Admission(facts, this.plan, this.#log)
  }

  replan(plan: HttpPlan): void {
    this.plan = plan
  }

  onRequest(exchange: ServerExchange): void {
    const { admission } = exchange.connection as Connection
    this.active++
    const flow = new RequestFlow(exchange, this.plan, this.#log)
    exchange.owner = flow
    if (admission === undefined) this.#start(exchange, flow, undefined)
    else admission.whenDecided(() => this.#start(exchange, flow, admission))
  }

  #start(exchange: ServerExchange, flow: RequestFlow, admission: Admission | undefined): void {
    try {
      const refusal = admission?.refusal
      if (refusal === undefined) return flow.start()
      exchange.makeLast()
      flow.refuse(refusal.result, refusal.policy)
    } catch (error) {
      flow.crash(asPosternError(error))
    }
  }

  onOver(): void {
    this.active--
    if (this.#draining && this.active === 0) this.#onEmpty?.()
  }

  onCrash(exchange: ServerExchange, error: unknown): void {
    ;(exchange.owner as RequestFlow).crash(asPosternError(error))
  }

  onMalformed(connection: ServerConnection, { problem, status }: Malformed): void {
    const error = new PosternError('DPE', problem, { status })
    const reply = problemOf(error, '')
    connection.refuse(reply.status, '', new Fields(reply.headers.flat()), Buffer.from(reply.body))
    this.#log.malformed(this.plan.name, connection.facts.peerIp, error)
  }

  onClose(connection: ServerConnection): void {
    this.#connections.delete(connection)
    this.#leave(connection)
  }

  #leave({ facts }: ServerConnection): void {
    ;(facts as Connection).admission?.end()
  }

  async open(socket?: BoundHandle): Promise<void> {
    await bind(this.#server, this.plan, socket)
    acceptWithReaders(this.#server, (accepted) => this.#accept(accepted))
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  drain(): Promise<void> {
    this.#draining = true
    this.#server.close()
    for (const connection of this.#connections) connection.drain()
    return new Promise((resolve) => {
      if (this.active === 0) resolve()
      else this.#onEmpty = resolve
    })
  }

  close(): void {
    this.#draining = true
    this.#server.close()
    for (const connection of this.#connections) {
      connection.abort()
      // The socket tells of it later, when the sandbox takes no calls any more.
      this.#leave(connection)
    }
  }
}

interface Connection extends HttpConnection {
  /** Set when the listener's policies judge connections. */
  admission: Admission | undefined
}
