import { createServer, type Server } from 'node:net'
import { ConnectionFlow } from '../flow/connection.ts'
import type { Visit } from '../flow/visit.ts'
import { acceptStreams } from '../net/accept.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import type { Peer } from '../net/peer.ts'
import { connectionRequest, noRouteFor } from '../route/connection-table.ts'
import type { TcpPlan } from '../snapshot/snapshot.ts'
import type { Tap } from '../telemetry/tap.ts'
import type { TicketKeys } from '../tls/ticket-keys.ts'
import { bind, keepListener } from './bind.ts'
import { type EnteredListener, Entrance } from './entrance.ts'
import type { BoundHandle, Listener } from './listener.ts'

/** Accepts L4 connections and gives each to a flow, under the plan that is active when it arrives. */
export class TcpListener implements Listener, EnteredListener {
  plan: TcpPlan
  readonly #tap: Tap
  readonly #server: Server
  readonly #entrance: Entrance
  readonly #flows = new Set<ConnectionFlow>()
  #port = 0
  #onEmpty: (() => void) | undefined

  constructor(plan: TcpPlan, tap: Tap, tickets: TicketKeys) {
    this.plan = plan
    this.#tap = tap
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
    this.#entrance = new Entrance(this, tap, tickets)
  }

  onClear(stream: ByteStream, peer: Peer): string | undefined {
    const flow = this.#flowOf(peer)
    if (typeof flow === 'string') return flow
    this.#flows.add(flow)
    flow.start(stream)
    return undefined
  }

  get connections(): number {
    return this.#flows.size
  }

  onCrowded(stream: ByteStream): void {
    stream.reset()
  }

  onHello(peer: Peer): ConnectionFlow | string {
    return this.#flowOf(peer)
  }

  onSecured(stream: ByteStream, peer: Peer, visit: Visit | undefined): void {
    if (visit === undefined) return stream.destroy()
    const flow = visit as ConnectionFlow
    this.#flows.add(flow)
    flow.secured(stream, peer)
    // A reload during the handshake has not seen it.
    if (!flow.ended && !flow.survives(this.plan)) flow.close()
  }

  /** Text: why no route takes it. */
  #flowOf(peer: Peer): ConnectionFlow | string {
    const { plan } = this
    const request = connectionRequest(peer.tls, peer.address)
    const route = plan.routes.find(request)
    if (route === undefined) return noRouteFor(request, peer.tls !== undefined)
    return new ConnectionFlow(peer, plan, route, this.#tap, (ended) => {
      this.#flows.delete(ended)
      if (this.active === 0) this.#onEmpty?.()
    })
  }

  onArrivalOver(): void {
    if (this.active === 0) this.#onEmpty?.()
  }

  onUnverified(stream: ByteStream): void {
    stream.destroy()
  }

  onPlain(stream: ByteStream): void {
    stream.destroy()
  }

  replan(plan: TcpPlan, drain: number): void {
    this.plan = plan
    keepListener(this.#server, plan)
    this.#entrance.replan()
    const stale = [...this.#flows].filter((flow) => !flow.survives(plan))
    if (stale.length === 0) return
    setTimeout(() => {
      for (const flow of stale) if (!flow.ended) flow.close()
    }, drain).unref()
  }

  async open(socket?: BoundHandle): Promise<void> {
    this.#port = await bind(this.#server, this.plan, socket)
    acceptStreams(
      this.#server,
      (stream) => this.#entrance.accept(stream),
      () => this.plan.config.keepAlive,
    )
    keepListener(this.#server, this.plan)
  }

  get port(): number {
    return this.#port
  }

  get active(): number {
    return this.#flows.size + this.#entrance.active
  }

  /** TCP cannot announce it. */
  leave(): void {}

  drain(): Promise<void> {
    this.#server.close()
    this.#entrance.close(false)
    return new Promise((resolve) => {
      if (this.active === 0) resolve()
      else this.#onEmpty = resolve
    })
  }

  close(): void {
    this.#server.close()
    this.#entrance.close(true)
    for (const flow of [...this.#flows]) flow.close()
  }
}
