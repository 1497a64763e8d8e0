import { createServer, type Server } from 'node:net'
import { ConnectionFlow } from '../flow/connection.ts'
import { acceptStreams } from '../net/accept.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import { type Peer, peerOf } from '../net/peer.ts'
import type { TcpPlan } from '../snapshot/snapshot.ts'
import type { Tap } from '../telemetry/tap.ts'
import type { TicketKeys } from '../tls/ticket-keys.ts'
import { bind } from './bind.ts'
import type { BoundHandle, Listener } from './listener.ts'
import { type SecuredListener, TlsEntrance } from './tls.ts'

/** Accepts L4 connections and gives each to a flow, under the plan that is active when it arrives. */
export class TcpListener implements Listener, SecuredListener {
  plan: TcpPlan
  readonly #tap: Tap
  readonly #server: Server
  /** `undefined`: connections are forwarded as they come. */
  readonly #entrance: TlsEntrance | undefined
  readonly #flows = new Set<ConnectionFlow>()
  #port = 0
  #onEmpty: (() => void) | undefined

  constructor(plan: TcpPlan, tap: Tap, tickets: TicketKeys) {
    this.plan = plan
    this.#tap = tap
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
    this.#entrance = plan.config.tls === undefined ? undefined : new TlsEntrance(this, tap, tickets)
  }

  #accept(stream: ByteStream): void {
    if (this.#entrance === undefined) this.onSecured(stream, peerOf(stream, this.#port))
    else this.#entrance.accept(stream)
  }

  /** A connection whose bytes are forwarded from now on. */
  onSecured(stream: ByteStream, peer: Peer): void {
    const { plan } = this
    const route = plan.routes.find({ serverName: undefined })
    // A socket without a remote address has already been reset.
    if (route === undefined || peer.address === '') return stream.destroy()
    const flow = new ConnectionFlow(stream, peer, plan, route, this.#tap, (ended) => {
      this.#flows.delete(ended)
      if (this.active === 0) this.#onEmpty?.()
    })
    this.#flows.add(flow)
    flow.start()
  }

  onArrivalOver(): void {
    if (this.active === 0) this.#onEmpty?.()
  }

  onPlain(stream: ByteStream): void {
    stream.destroy()
  }

  replan(plan: TcpPlan, drain: number): void {
    this.plan = plan
    this.#entrance?.replan()
    const stale = [...this.#flows].filter((flow) => !flow.survives(plan))
    if (stale.length === 0) return
    setTimeout(() => {
      for (const flow of stale) if (!flow.ended) flow.close()
    }, drain).unref()
  }

  async open(socket?: BoundHandle): Promise<void> {
    this.#port = await bind(this.#server, this.plan, socket)
    acceptStreams(this.#server, (stream) => this.#accept(stream))
  }

  get port(): number {
    return this.#port
  }

  get active(): number {
    return this.#flows.size + (this.#entrance?.active ?? 0)
  }

  /** TCP cannot announce it. */
  leave(): void {}

  drain(): Promise<void> {
    this.#server.close()
    this.#entrance?.close(false)
    return new Promise((resolve) => {
      if (this.active === 0) resolve()
      else this.#onEmpty = resolve
    })
  }

  close(): void {
    this.#server.close()
    this.#entrance?.close(true)
    for (const flow of [...this.#flows]) flow.close()
  }
}
