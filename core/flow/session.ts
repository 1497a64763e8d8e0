import { lookup } from 'node:dns'
import { isIP } from 'node:net'
import type { Reply } from '../../sdk/reply.ts'
import { PosternError } from '../errors.ts'
import type { Policy } from '../hooks/policy.ts'
import { connectDatagrams, type DatagramOwner, type DatagramSocket } from '../net/datagram.ts'
import { descriptors } from '../net/descriptors.ts'
import type { Peer } from '../net/peer.ts'
import type { Route, TcpPlan } from '../snapshot/snapshot.ts'
import type { Tap } from '../telemetry/tap.ts'
import type { Backend } from '../upstream/backend.ts'
import { HeldDatagrams } from './held-datagrams.ts'
import { L4Flow } from './l4-flow.ts'
import { outcomeOfReply } from './local-reply.ts'

/** The side of the client. */
export interface SessionOwner {
  /** Sends a datagram to the client. */
  answer(bytes: Buffer): void
  /** A datagram has come from either side: the session is not idle. */
  moved(): void
  /** It has a backend. @param placed its address, unless that follows from a hash */
  onBackend(placed: string | undefined): void
  /** @param isRefused by a policy, which holds until the client has been idle */
  onFinish(isRefused: boolean): void
}

/** Errors that say that a backend cannot be reached; others concern one datagram, which is lost. */
const unreachable: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
}

/** Largest datagram that is kept to be sent to another backend when the first one refuses it, bytes. */
const mostKept = 2_048

/**
 * The life of one session of UDP, the datagrams of one address and port of a client: route → onConnect → choose a backend →
 * datagrams → finish. It has a socket of its own, connected to the backend. Datagrams that come before that are held.
 */
export class SessionFlow extends L4Flow implements DatagramOwner {
  readonly #owner: SessionOwner
  readonly #held: HeldDatagrams = new HeldDatagrams()
  readonly #count: { in: number; out: number } = { in: 0, out: 0 }
  #preferred: string | undefined
  #resolving: { cancel(): void } | undefined
  #backend: DatagramSocket | undefined
  #responses = Number.POSITIVE_INFINITY
  /** The only datagram that was sent so far, until it is answered. */
  #unanswered: Buffer | undefined

  /** @param preferred address of the backend that the client had before, used while the balance may choose it */
  constructor(peer: Peer, plan: TcpPlan, route: Route, tap: Tap, owner: SessionOwner, preferred?: string) {
    super(peer, plan, route, tap)
    this.facts.datagrams = this.#count
    this.#owner = owner
    this.#preferred = preferred
  }

  /** Longest time without a datagram in either direction, ms. */
  get idleLimit(): number {
    return this.upstream!.config.timeouts.idle
  }

  // ── onConnect ──────────────────────────────────────────────────────────────────────────────────────────────────────

  start(): void {
    this.phases.enter('policies', false)
    this.askFrom(0, (result, policy) => this.#asked(result, policy))
  }

  #asked(result: Reply | PosternError | undefined, policy: Policy | undefined): void {
    if (result instanceof PosternError) return this.fail(result)
    if (result !== undefined) {
      this.facts.outcome = policy === undefined ? '' : outcomeOfReply(result, policy)
      return this.#finish(true)
    }
    this.phases.enter('queue')
    this.attempt(this.#preferred)
  }

  // ── choose a backend ───────────────────────────────────────────────────────────────────────────────────────────────

  onBackend(backend: Backend): void {
    this.phases.enter('connect')
    const { timeouts, responses } = this.upstream!.config
    this.#responses = responses ?? Number.POSITIVE_INFINITY
    if (isIP(backend.host) !== 0) return this.#connect(backend, backend.host)
    this.#resolving = resolve(backend, this.attempts.connectLimit(timeouts.connect), (error, address) => {
      this.#resolving = undefined
      if (address === undefined) this.#unreachable(`${backend.address}: ${error}`)
      else this.#connect(backend, address)
    })
  }

  #connect(backend: Backend, address: string): void {
    const socket = connectDatagrams(address, backend.port, this)
    if (typeof socket !== 'string') return this.#connected(socket, backend)
    if (!descriptors.isCauseOf({ code: socket })) {
      return this.#unreachable(`${backend.address}: ${unreachable[socket] ?? socket}`)
    }
    this.fail(new PosternError('OM', 'no descriptor is left for a socket'))
  }

  #connected(socket: DatagramSocket, backend: Backend): void {
    this.phases.enter('body')
    this.#backend = socket
    const isHashed = typeof this.upstream!.config.balance === 'object'
    this.#owner.onBackend(isHashed ? undefined : backend.address)
    for (const bytes of this.#held.take()) this.#forward(bytes)
  }

  /** The backend cannot be reached: another one gets what it has not answered. */
  #unreachable(message: string): void {
    this.#backend?.close()
    this.#backend = undefined
    const error = new PosternError('UF', message)
    this.facts.backend?.refused?.(message)
    this.attempts.end(error)
    if (!this.attempts.areLeft) return this.fail(error)
    const unanswered = this.#unanswered
    this.#unanswered = undefined
    if (unanswered !== undefined) this.#held.push(unanswered)
    this.phases.enter('queue')
    this.attempt()
  }

  // ── datagrams ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A datagram of the client. */
  take(bytes: Buffer): void {
    const first = ++this.#count.in === 1
    this.facts.bytes.in += bytes.length
    if (!first) this.#owner.moved()
    this.#forward(bytes)
  }

  #forward(bytes: Buffer): void {
    if (this.ended) return
    const backend = this.#backend
    if (backend === undefined) return this.#held.push(bytes)
    const failure = backend.send(bytes)
    if (failure !== undefined) return this.#unsent(failure, bytes)
    if (this.#count.out > 0) return
    const isOnly = this.#count.in === 1 && bytes.length <= mostKept
    this.#unanswered = isOnly ? bytes : undefined
  }

  /** A refusal is told to the next datagram, which was not sent. */
  #unsent(code: string, bytes: Buffer): void {
    if (unreachable[code] === undefined) return
    this.#onUnreachable(code)
    this.#forward(bytes)
  }

  onDatagram(bytes: Buffer): void {
    const { facts } = this
    this.#count.out++
    facts.bytes.out += bytes.length
    if (this.#count.out === 1) this.#answered()
    this.#owner.moved()
    this.#owner.answer(bytes)
    if (this.#count.out >= this.#responses * this.#count.in) this.#finish(false)
  }

  #answered(): void {
    this.#unanswered = undefined
    this.attempts.connected()
  }

  onFailure(code: string): void {
    if (unreachable[code] !== undefined) this.#onUnreachable(code)
  }

  #onUnreachable(code: string): void {
    this.#unreachable(`${this.facts.backend?.address}: ${unreachable[code]}`)
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Nothing has moved for the time of `idleLimit`, which is how sessions end. */
  expire(): void {
    this.#finish(false)
  }

  /** Ends the session immediately (`SD`), for example at the end of a drain. */
  close(): void {
    this.fail(new PosternError('SD', 'closed by the gateway'))
  }

  fail(error: PosternError): void {
    if (this.ended) return
    this.error = error
    this.facts.outcome = error.outcome
    this.#finish(false)
  }

  #finish(isRefused: boolean): void {
    if (this.ended) return
    this.#resolving?.cancel()
    this.#backend?.close()
    this.#held.take()
    this.finish(() => this.#owner.onFinish(isRefused))
  }
}

/** Asks the resolver of the system for an address. @param done called once, and not after `cancel` */
function resolve(
  { host }: Backend,
  limit: number,
  done: (error: string, address: string | undefined) => void,
): { cancel(): void } {
  let isOver = false
  const finish = (error: string, address: string | undefined): void => {
    if (isOver) return
    isOver = true
    clearTimeout(timer)
    done(error, address)
  }
  const timer = setTimeout(() => finish(`no address within ${limit} ms`, undefined), limit)
  lookup(host, (error, address) => finish(error?.code ?? '', error === null ? address : undefined))
  return {
    cancel: () => {
      isOver = true
      clearTimeout(timer)
    },
  }
}
