import type { ByteStream } from '../net/byte-stream.ts'
import { type Peer, peerOf } from '../net/peer.ts'
import type { TcpPlan } from '../snapshot/snapshot.ts'
import { PostgresArrival, type PostgresOwner } from '../tls/postgres-arrival.ts'
import type { TlsEntrance } from './tls.ts'

/** A listener whose clients ask for TLS as those of PostgreSQL do. */
interface AskedListener {
  readonly plan: TcpPlan
  readonly port: number
  /** A connection without TLS, which is allowed. @param stream not started */
  onClear(stream: ByteStream, peer: Peer): void
}

interface Begun {
  readonly peer: Peer
  /** When it was accepted, by `performance.now`. */
  readonly since: number
}

/** The connections of a listener until they have asked for TLS; the handshake is next. */
export class PostgresEntrance implements PostgresOwner {
  readonly #listener: AskedListener
  readonly #next: TlsEntrance
  readonly #arrivals = new Map<PostgresArrival, Begun>()

  constructor(listener: AskedListener, next: TlsEntrance) {
    this.#listener = listener
    this.#next = next
  }

  accept(stream: ByteStream): void {
    const { plan, port } = this.#listener
    const { tls, timeouts } = plan.config
    const arrival = new PostgresArrival(stream, timeouts.handshake, tls?.plain === true, this)
    this.#arrivals.set(arrival, { peer: peerOf(stream, port), since: performance.now() })
  }

  /** Ends them all. */
  close(): void {
    for (const arrival of this.#arrivals.keys()) arrival.abort()
    this.#arrivals.clear()
  }

  onTls(arrival: PostgresArrival, isDirect: boolean): void {
    const { since } = this.#forget(arrival)
    this.#next.accept(arrival.stream, since, isDirect)
  }

  onClear(arrival: PostgresArrival): void {
    const { peer } = this.#forget(arrival)
    this.#listener.onClear(arrival.stream, peer)
  }

  onRefused(arrival: PostgresArrival, code: 'DPE' | 'CI' | 'DC', problem: string): void {
    const { peer, since } = this.#forget(arrival)
    this.#next.tell(peer, since, { code, problem, alert: undefined })
  }

  onQuit(arrival: PostgresArrival): void {
    this.#forget(arrival)
  }

  #forget(arrival: PostgresArrival): Begun {
    const begun = this.#arrivals.get(arrival)!
    this.#arrivals.delete(arrival)
    return begun
  }
}
