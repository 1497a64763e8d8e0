import { PosternError } from '../errors.ts'
import { SessionFlow } from '../flow/session.ts'
import { adoptDatagrams, bindDatagrams, type DatagramOwner, type DatagramSocket, type Sender } from '../net/datagram.ts'
import { descriptors } from '../net/descriptors.ts'
import { normalizeIp } from '../net/peer.ts'
import { connectionRequest } from '../route/connection-table.ts'
import type { TcpPlan } from '../snapshot/snapshot.ts'
import type { Tap } from '../telemetry/tap.ts'
import { bindError } from './bind.ts'
import { type BoundHandle, type Listener, listenerKey } from './listener.ts'
import type { SessionPlaces } from './session-places.ts'
import { Client, SessionTable } from './session-table.ts'

/**
 * Gives the datagrams of each client, an address and a port, to a session of its own, under the plan that is active when it
 * begins. All answers leave by the socket of the listener.
 */
export class UdpListener implements Listener, DatagramOwner {
  plan: TcpPlan
  readonly #tap: Tap
  readonly #places: SessionPlaces | undefined
  #socket: DatagramSocket | undefined
  #table: SessionTable | undefined
  #port = 0
  /** Sessions under way. */
  #active = 0
  #isDraining = false
  #isHandedOver = false
  #onEmpty: (() => void) | undefined

  /** @param places knows the backends that clients had before this process */
  constructor(plan: TcpPlan, tap: Tap, places: SessionPlaces | undefined) {
    this.#places = places
    this.plan = plan
    this.#tap = tap
  }

  async open(handle?: BoundHandle): Promise<void> {
    const { address, port } = this.plan.config
    try {
      const socket = handle === undefined ? bindDatagrams(address, port, this) : adoptDatagrams(handle, this)
      this.#socket = socket
      this.#port = socket.port
      const name = listenerKey(this.plan.name, this.plan.config)
      this.#table = new SessionTable(name, socket, this.#places, () => this.#ended())
    } catch (error) {
      throw bindError(this.plan.name, address, port, error as NodeJS.ErrnoException)
    }
  }

  onDatagram(bytes: Buffer, from: Sender): void {
    const key = `${from.address} ${from.port}`
    const client = this.#table!.find(key)
    if (client === undefined) this.#begin(key, bytes, from)
    else if (client.flow !== undefined) client.flow.take(bytes)
    // It was refused: its silence begins anew.
    else client.moved()
  }

  /** A datagram that could not be sent to a client is lost, as it may be on its way. */
  onFailure(): void {}

  #begin(key: string, bytes: Buffer, from: Sender): void {
    const { plan } = this
    const address = normalizeIp(from.address)
    const route = plan.routes.find(connectionRequest(undefined, address))
    if (route === undefined || this.#isDraining || !this.#makeRoom()) return
    const peer = {
      address,
      port: from.port,
      localPort: this.#port,
      tls: undefined,
      via: 'socket',
    } as const
    const client = new Client(key, from, this.#table!)
    this.#table!.add(client)
    const preferred = this.#places?.take(this.#table!.nameOf(client))
    const flow = new SessionFlow(peer, plan, route, this.#tap, client, preferred)
    this.#active++
    client.start(flow)
    flow.take(bytes)
    flow.start()
  }

  /** @returns whether there is room for another client */
  #makeRoom(): boolean {
    const { max: configured, whenFull } = this.plan.config.sessions!
    // Each has a socket of its own, and the other listeners need some, too.
    const max = Math.min(configured, Math.floor(descriptors.limit / 2))
    const table = this.#table!
    while (table.size >= max) {
      const { oldest } = table
      if (whenFull === 'refuse' || oldest === undefined) return false
      if (oldest.flow === undefined) oldest.forget()
      else oldest.flow.fail(new PosternError('OM', `more than ${max} sessions: this one was silent for longest`))
    }
    return true
  }

  #ended(): void {
    this.#active--
    if (this.#active === 0 && this.#isDraining) this.#finish()
  }

  replan(plan: TcpPlan, drain: number): void {
    this.plan = plan
    const stale: SessionFlow[] = []
    for (const client of this.#table!.clients()) {
      // The policies may be others now.
      if (client.flow === undefined) client.forget()
      else if (!client.flow.survives(plan)) stale.push(client.flow)
    }
    if (stale.length === 0) return
    setTimeout(() => {
      for (const flow of stale) flow.close()
    }, drain).unref()
  }

  get port(): number {
    return this.#port
  }

  /** Those that were handed over go on elsewhere: none is cut off here. */
  get active(): number {
    return this.#isHandedOver ? 0 : this.#active
  }

  /** UDP cannot announce it. */
  leave(): void {}

  /** What clients send goes to a session of the other process; those here only still answer. */
  handOver(): void {
    this.#isHandedOver = true
    this.#socket?.pause()
  }

  /** Datagrams of new clients are dropped: UDP has no refusal. Sessions go on until they are idle. */
  drain(): Promise<void> {
    this.#isDraining = true
    return new Promise((resolve) => {
      this.#onEmpty = resolve
      if (this.#active === 0) this.#finish()
    })
  }

  #finish(): void {
    this.#socket?.close()
    this.#onEmpty?.()
  }

  close(): void {
    this.#isDraining = true
    for (const client of [...(this.#table?.clients() ?? [])]) {
      if (client.flow === undefined) client.forget()
      else if (this.#isHandedOver) client.flow.expire()
      else client.flow.close()
    }
    this.#finish()
  }
}
