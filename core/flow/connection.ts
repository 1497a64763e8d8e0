import type { Reply } from '../../sdk/reply.ts'
import { PosternError } from '../errors.ts'
import { ask } from '../hooks/chain.ts'
import type { Policy } from '../hooks/policy.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import type { Peer } from '../net/peer.ts'
import type { Route, TcpPlan } from '../snapshot/snapshot.ts'
import type { Tap } from '../telemetry/tap.ts'
import { refuseEncryption } from '../tls/postgres.ts'
import type { Backend } from '../upstream/backend.ts'
import { type Pipe, type PipeResult, pipe } from '../upstream/pipe.ts'
import { L4Flow } from './l4-flow.ts'
import { outcomeOfReply } from './local-reply.ts'
import type { Refusal, Visit } from './visit.ts'

/**
 * The life of one L4 connection, top to bottom: accept → route → onConnect → choose a backend → connect → bytes → finish.
 * With TLS the handshake is among the policies of onConnect: before the first one that needs it.
 * Nothing is read from the client until the connection to the backend is established: no byte of it is lost.
 */
export class ConnectionFlow extends L4Flow implements Visit {
  /** Not started. `undefined`: the handshake is not over. */
  #client: ByteStream | undefined
  #peer: Peer
  readonly #onFinish: (flow: ConnectionFlow) => void
  #connecting: { cancel(): void } | undefined
  #pipe: Pipe | undefined

  constructor(peer: Peer, plan: TcpPlan, route: Route, tap: Tap, onFinish: (flow: ConnectionFlow) => void) {
    super(peer, plan, route, tap)
    this.#peer = peer
    this.#onFinish = onFinish
  }

  get protocols(): readonly string[] | undefined {
    return this.route.match.alpn
  }

  // ── onConnect ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** @param client not started. */
  start(client: ByteStream): void {
    this.#client = client
    this.phases.enter('policies', false)
    this.askFrom(0, (result, policy) => this.#asked(result, policy))
  }

  askEarly(done: (refusal: Refusal | undefined) => void): void {
    const { base } = this.route
    this.phases.enter('policies', false)
    const asked = (result: Reply | PosternError | undefined, policy: Policy | undefined): void =>
      done(result && { result, policy })
    const askedByRoute = (result: Reply | PosternError | undefined, policy: Policy | undefined): void => {
      if (result !== undefined || base.handshakeAt < base.length) return asked(result, policy)
      this.chain = this.route.through(this.upstream!)
      ask(this, 'onConnect', this.chain, base.length, asked, this.chain.handshakeAt)
    }
    ask(this, 'onConnect', base, 0, askedByRoute, base.handshakeAt)
  }

  /** The handshake is over: asks the policies that are left. @param client not started. */
  secured(client: ByteStream, peer: Peer): void {
    this.#client = client
    this.#peer = peer
    this.facts.tls = peer.tls
    this.askFrom(this.chain.handshakeAt, (result, policy) => this.#asked(result, policy))
  }

  #asked(result: Reply | PosternError | undefined, policy: Policy | undefined): void {
    if (result !== undefined) return this.#refuse(result, policy)
    this.phases.enter('queue')
    this.attempt()
  }

  /** An L4 client cannot be sent a reply: the connection is closed. */
  #refuse(result: Reply | PosternError, policy: Policy | undefined): void {
    if (result instanceof PosternError) return this.fail(result)
    this.facts.outcome = policy === undefined ? '' : outcomeOfReply(result, policy)
    this.#client!.reset()
    this.#finish()
  }

  // ── choose a backend, connect ──────────────────────────────────────────────────────────────────────────────────────

  onBackend(backend: Backend): void {
    this.phases.enter('connect')
    const done = (error: PosternError | undefined, stream: ByteStream | undefined): void => {
      this.#connecting = undefined
      if (stream !== undefined) return this.#connected(stream)
      this.attempts.end(error)
      const isNext = error?.code === 'UF' && this.attempts.areLeft
      if (!isNext) return this.fail(error ?? new PosternError('GE', 'no connection'))
      this.phases.enter('queue')
      this.attempt()
    }
    const limit = this.attempts.connectLimit(this.upstream!.config.timeouts.connect)
    this.#connecting = backend.connect(backend, limit, done, backend.greetingFor(this.#peer))
  }

  // ── bytes ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #connected(backend: ByteStream): void {
    this.phases.enter('body')
    this.attempts.connected()
    const { timeouts, tls } = this.upstream!.config
    const client = this.#client!
    this.#pipe = pipe(client, backend, {
      idle: timeouts.idle,
      write: timeouts.write,
      onEnd: (result) => this.#piped(result),
      // The encryption that a client asks the backend for is that of the gateway.
      preface: tls?.starttls && refuseEncryption((bytes) => client.write(bytes)),
    })
  }

  #piped(result: PipeResult): void {
    this.facts.bytes.in = result.bytesIn
    this.facts.bytes.out = result.bytesOut
    this.error = result.error
    this.facts.outcome = result.outcome ?? ''
    this.#finish()
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends the connection immediately (`SD`), for example at the end of a drain. */
  close(): void {
    if (this.#pipe !== undefined) this.#pipe.close()
    else this.fail(new PosternError('SD', 'closed by the gateway'))
  }

  fail(error: PosternError): void {
    if (this.ended) return
    this.error = error
    this.facts.outcome = error.outcome
    this.#client?.reset()
    this.#finish()
  }

  /** The connection has ended before its handshake was over, of which there is a record. */
  end(): void {
    if (!this.ended) this.endSilently()
  }

  #finish(): void {
    if (this.ended) return
    this.#connecting?.cancel()
    this.finish(() => this.#onFinish(this))
  }
}
