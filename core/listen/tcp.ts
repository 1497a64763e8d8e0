import { createServer, type Server, type Socket } from 'node:net'
import { ConnectionFlow } from '../flow/connection.ts'
import { acceptInto } from '../net/accept.ts'
import { ReadBuffer } from '../net/read-buffer.ts'
import type { TcpPlan } from '../snapshot/snapshot.ts'
import type { FlowLog } from '../telemetry/log.ts'
import { bind } from './bind.ts'
import type { BoundHandle, Listener } from './listener.ts'

/** Accepts connections and gives each to a flow under the plan of the moment. */
export class TcpListener implements Listener {
  plan: TcpPlan
  readonly #log: FlowLog
  readonly #server: Server
  readonly #flows = new Set<ConnectionFlow>()
  #onEmpty: (() => void) | undefined

  constructor(plan: TcpPlan, log: FlowLog) {
    this.plan = plan
    this.#log = log
    const options = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true }
    this.#server = createServer(options, (socket) => this.#accept(socket))
  }

  #accept(socket: Socket, buffer?: ReadBuffer): void {
    const { plan } = this
    if (plan.route === undefined || socket.remoteAddress === undefined) {
      socket.destroy()
      return
    }
    const flow = new ConnectionFlow({ socket, buffer }, plan, plan.route, this.#log, (ended) => {
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
    await bind(this.#server, this.plan, socket)
    const make = (): ReadBuffer => new ReadBuffer()
    acceptInto(this.#server, { make, paused: true }, (accepted, buffer) => this.#accept(accepted, buffer))
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  get active(): number {
    return this.#flows.size
  }

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
