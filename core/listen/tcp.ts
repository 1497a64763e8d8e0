import { createServer, type Server } from 'node:net'
import { ConnectionFlow } from '../flow/connection.ts'
import { acceptStreams } from '../net/accept.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import { peerOf } from '../net/peer.ts'
import type { TcpPlan } from '../snapshot/snapshot.ts'
import type { Tap } from '../telemetry/tap.ts'
import { bind } from './bind.ts'
import type { BoundHandle, Listener } from './listener.ts'

/** Accepts L4 connections and gives each to a flow, under the plan that is active when it arrives. */
export class TcpListener implements Listener {
  plan: TcpPlan
  readonly #tap: Tap
  readonly #server: Server
  readonly #flows = new Set<ConnectionFlow>()
  #port = 0
  #onEmpty: (() => void) | undefined

  constructor(plan: TcpPlan, tap: Tap) {
    this.plan = plan
    this.#tap = tap
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
  }

  #accept(stream: ByteStream): void {
    const { plan } = this
    const route = plan.routes.find({ serverName: undefined })
    const peer = peerOf(stream, this.#port)
    // A socket without a remote address has already been reset.
    if (route === undefined || peer.address === '') return stream.destroy()
    const flow = new ConnectionFlow(stream, peer, plan, route, this.#tap, (ended) => {
      this.#flows.delete(ended)
      if (this.#flows.size === 0) this.#onEmpty?.()
    })
    this.#flows.add(flow)
    flow.start()
  }

  replan(plan: TcpPlan, drain: number): void {
    this.plan = plan
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
    return this.#flows.size
  }

  /** TCP cannot announce it. */
  leave(): void {}

  drain(): Promise<void> {
    this.#server.close()
    return new Promise((resolve) => {
      if (this.#flows.size === 0) resolve()
      else this.#onEmpty = resolve
    })
  }

  close(): void {
    this.#server.close()
    for (const flow of [...this.#flows]) flow.close()
  }
}
