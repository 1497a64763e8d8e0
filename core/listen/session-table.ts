import type { SessionFlow, SessionOwner } from '../flow/session.ts'
import type { DatagramSocket, Sender } from '../net/datagram.ts'
import { WheelTimer } from '../net/timer-wheel.ts'
import type { SessionPlaces } from './session-places.ts'

/** A client of a UDP listener: an address and a port with a session, or one that was refused and is remembered. */
export class Client implements SessionOwner, Sender {
  readonly key: string
  readonly address: string
  readonly port: number
  /** `undefined`: refused. */
  flow: SessionFlow | undefined
  /** Whether its datagrams have been answered. */
  isAnswered = false
  readonly #table: SessionTable
  readonly #timer = new WheelTimer(this)
  #idle = 0
  #isPlaced = false

  constructor(key: string, { address, port }: Sender, table: SessionTable) {
    this.key = key
    this.address = address
    this.port = port
    this.#table = table
  }

  start(flow: SessionFlow): void {
    this.flow = flow
    this.#idle = flow.idleLimit
    this.#timer.arm(this.#idle)
  }

  answer(bytes: Buffer): void {
    if (!this.isAnswered) this.#table.answered(this)
    this.#table.socket.send(bytes, this)
  }

  moved(): void {
    const { due } = this.#timer
    this.#timer.arm(this.#idle)
    // At most once in a tick, for this is in the way of every datagram.
    if (this.#timer.due !== due) this.#table.touch(this)
  }

  onBackend(placed: string | undefined): void {
    // A policy may have chosen another upstream.
    this.#idle = this.flow!.idleLimit
    this.#timer.arm(this.#idle)
    if (placed === undefined) return
    this.#isPlaced = true
    this.#table.places?.place(this.#table.nameOf(this), placed)
  }

  onFinish(isRefused: boolean): void {
    this.flow = undefined
    if (!isRefused) this.forget()
    this.#table.onEnd()
  }

  onTimeout(): void {
    if (this.flow === undefined) this.forget()
    else this.flow.expire()
  }

  /** A client that was refused begins anew. */
  forget(): void {
    this.#timer.disarm()
    this.#table.remove(this)
    if (this.#isPlaced) this.#table.places?.end(this.#table.nameOf(this))
  }
}

/** The clients of a UDP listener, by address and port, in the order in which a full table gives them up. */
export class SessionTable {
  readonly name: string
  readonly places: SessionPlaces | undefined
  readonly socket: DatagramSocket
  /** Never answered, the one that has been silent for longest first. */
  readonly #unanswered = new Map<string, Client>()
  readonly #answered = new Map<string, Client>()
  /** A session has ended. */
  readonly onEnd: () => void

  /**
   * @param name of the listener, the same in all workers
   * @param places knows the backends of its clients
   */
  constructor(name: string, socket: DatagramSocket, places: SessionPlaces | undefined, onEnd: () => void) {
    this.name = name
    this.socket = socket
    this.places = places
    this.onEnd = onEnd
  }

  get size(): number {
    return this.#unanswered.size + this.#answered.size
  }

  *clients(): Iterable<Client> {
    yield* this.#unanswered.values()
    yield* this.#answered.values()
  }

  find(key: string): Client | undefined {
    return this.#answered.get(key) ?? this.#unanswered.get(key)
  }

  add(client: Client): void {
    this.#unanswered.set(client.key, client)
  }

  /** The one to give up for another: one that was never answered, or else the one that has been silent for longest. */
  get oldest(): Client | undefined {
    return this.#unanswered.values().next().value ?? this.#answered.values().next().value
  }

  answered(client: Client): void {
    client.isAnswered = true
    this.#unanswered.delete(client.key)
    this.#answered.set(client.key, client)
  }

  touch(client: Client): void {
    const map = client.isAnswered ? this.#answered : this.#unanswered
    map.delete(client.key)
    map.set(client.key, client)
  }

  /** Its name beyond this process, and beyond this listener. */
  nameOf({ key }: { readonly key: string }): string {
    return `${this.name} ${key}`
  }

  remove({ key, isAnswered }: Client): void {
    const map = isAnswered ? this.#answered : this.#unanswered
    map.delete(key)
  }
}
