import { type Duplex, duplexPair } from 'node:stream'
import { PosternError } from '../../core/errors.ts'
import { CONSUMED } from '../../core/http/exchange.ts'
import { Fields } from '../../core/http/fields.ts'
import type {
  Fate,
  UpstreamExchange,
  UpstreamOwner,
  UpstreamPool,
  UpstreamRequest,
} from '../../core/http/upstream-exchange.ts'
import type { Delivery } from '../../core/net/delivery.ts'
import { DuplexStream } from '../../core/net/duplex-stream.ts'

/** What a made-up backend answers; a code instead is how it fails. */
export interface MemoryAnswer {
  readonly status?: number
  readonly fields?: readonly string[]
  readonly interim?: readonly number[]
  readonly body?: readonly string[]
  readonly trailers?: readonly string[]
  /** Instead of an answer, or after the body: `UF` before a byte was sent, `UC` and `UR` later. */
  readonly fails?: 'UF' | 'UC' | 'UR'
  /** It fails because its connection had been idle for too long. */
  readonly stale?: boolean
  /** It says that it has not processed the request; its exchange says that it may. */
  readonly refuses?: boolean
  /** The connection is never established, or the answer does not come, or not its end. */
  readonly stalls?: 'connect' | 'head' | 'body'
  /** The answer comes before the request's body has. */
  readonly early?: boolean
  /** Agrees to the upgrade, once it has the request's whole body. */
  readonly upgrade?: string
}

/** What the backend received. */
export interface Seen {
  readonly method: string
  readonly target: string
  readonly fields: Fields
  readonly reuse: UpstreamRequest['reuse']
  body: string
  trailers: Fields | undefined
  cancelled: boolean
  /** The backend's end of a tunnel. */
  tunnel: Duplex | undefined
}

/** The backend side of the seam without a socket, written against core/http/upstream-exchange.ts alone. */
export class MemoryPool implements UpstreamPool {
  readonly seen: Seen[] = []
  /** Exchanges, in the order of their requests. */
  readonly responding: MemoryUpstream[] = []
  readonly #answers: MemoryAnswer[]

  /** @param answers one for each request; the last one for all that follow. */
  constructor(...answers: MemoryAnswer[]) {
    this.#answers = answers
  }

  send(request: UpstreamRequest, _connectTimeout: number, owner: UpstreamOwner): UpstreamExchange {
    const answer = this.#answers.length > 1 ? this.#answers.shift()! : (this.#answers[0] ?? {})
    const { method, target, fields, reuse } = request
    const copy = new Fields([...fields.list, ...(fields.shared?.list ?? [])])
    const seen: Seen = {
      method,
      target,
      fields: copy,
      reuse,
      body: '',
      trailers: undefined,
      cancelled: false,
      tunnel: undefined,
    }
    if (answer.fails !== 'UF') this.seen.push(seen)
    const exchange = new MemoryUpstream(request, answer, seen, owner)
    this.responding.push(exchange)
    return exchange
  }

  close(): void {}
}

class MemoryUpstream implements UpstreamExchange {
  trailers: Fields | undefined
  readonly #answer: MemoryAnswer
  readonly #seen: Seen
  readonly #owner: UpstreamOwner
  readonly #pieces: Buffer[]
  #over = false
  #paused = false
  #sent: boolean
  headed = false

  constructor(request: UpstreamRequest, answer: MemoryAnswer, seen: Seen, owner: UpstreamOwner) {
    this.#answer = answer
    this.#seen = seen
    this.#owner = owner
    this.#sent = !request.hasBody
    this.#pieces = (answer.body ?? []).map((piece) => Buffer.from(piece))
    setImmediate(() => {
      if (this.#over || answer.stalls === 'connect') return
      if (answer.fails === 'UF') return this.#fail('UF')
      owner.onConnected()
      if (request.hasBody) owner.onBodyWanted()
      if (!request.hasBody || answer.early) this.#respond()
    })
  }

  write(chunk: Uint8Array): boolean {
    if (!this.#over && !this.#sent) this.#seen.body += Buffer.from(chunk).toString()
    return true
  }

  get isFlushed(): boolean {
    return true
  }

  delivery(done: (delivery: Delivery) => void): void {
    setImmediate(done, { taken: this.#seen.body.length, left: 0 })
  }

  end(trailers?: Fields): void {
    if (this.#over || this.#sent) return
    this.#sent = true
    this.#seen.trailers = trailers
    setImmediate(() => this.#respond())
  }

  #respond(): void {
    const { status = 200, fields = [], interim = [], stalls, fails, upgrade } = this.#answer
    if (this.#over || stalls === 'head') return
    if (fails !== undefined && this.#answer.status === undefined) return this.#fail(fails, this.#fate)
    for (const one of interim) this.#owner.onInterim?.(one, new Fields())
    if (upgrade !== undefined) {
      if (!this.#sent) return
      this.#over = true
      const [ours, theirs] = duplexPair()
      this.#seen.tunnel = theirs
      return this.#owner.onUpgrade?.(
        new Fields(['upgrade', upgrade, 'connection', 'upgrade']),
        new DuplexStream(ours),
        '2',
      )
    }
    const body = this.#pieces.length < 2 && stalls === undefined && fails === undefined ? this.#pieces[0] : undefined
    if (body !== undefined && this.#answer.trailers === undefined && this.#owner.onWhole !== undefined) {
      this.#over = true
      return this.#owner.onWhole(status, '', new Fields([...fields]), '2', body.toString('latin1'))
    }
    this.headed = true
    this.#owner.onHead(status, '', new Fields([...fields]), '2')
    this.#feed()
  }

  #feed(): void {
    while (this.headed && !this.#paused && !this.#over) {
      const piece = this.#pieces.shift()
      if (piece !== undefined) {
        if (this.#owner.onData(piece) === CONSUMED) piece.fill(0)
        continue
      }
      if (this.#answer.stalls === 'body') return
      if (this.#answer.fails !== undefined) return this.#fail(this.#answer.fails)
      this.#over = true
      if (this.#answer.trailers !== undefined) this.trailers = new Fields([...this.#answer.trailers])
      this.#owner.onEnd()
    }
  }

  /** The connection breaks now. */
  break(code: 'UC' | 'UR'): void {
    if (!this.#over) this.#fail(code)
  }

  get isRefusable(): boolean {
    return this.#answer.refuses ?? false
  }

  get #fate(): Fate | undefined {
    if (this.#answer.refuses) return 'unprocessed'
    return this.#answer.stale ? 'stale' : undefined
  }

  #fail(code: 'UF' | 'UC' | 'UR', fate?: Fate): void {
    this.#over = true
    this.#owner.onFail(new PosternError(code, `made up: ${code}`), fate)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    setImmediate(() => this.#feed())
  }

  cancel(): void {
    if (this.#over) return
    this.#over = true
    this.#seen.cancelled = true
  }
}
