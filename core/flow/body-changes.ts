import { PosternError } from '../errors.ts'
import { type Chain, change, type HookFlow } from '../hooks/chain.ts'
import type { BodyNeed } from '../hooks/scopes.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import type { BodyChange, BodyPath, BodySource } from './body-path.ts'
import type { Crashing } from './deadline.ts'

type BodyHook = 'onRequestBody' | 'onResponseBody'

/**
 * What the policies of a request do to its bodies on their way. Request and response may move at the same time; their
 * chunks take turns, since a flow asks its policies one thing at a time.
 */
export class BodyChanges {
  /** The chunk that the policies are asked about. */
  chunk: { readonly bytes: Uint8Array; readonly last: boolean } | undefined
  readonly #flow: HookFlow & Crashing
  readonly #waiting: (() => void)[] = []
  #busy = false

  constructor(flow: HookFlow & Crashing) {
    this.#flow = flow
  }

  /** What the policies of this chain do to each chunk; `undefined` when none of them looks. */
  of(hook: BodyHook, chain: Chain | undefined): BodyChange | undefined {
    if (chain === undefined || chain.steps[hook].length === 0) return undefined
    return (bytes, last, done) => {
      const run = (): void => {
        this.#busy = true
        this.chunk = { bytes, last }
        change(this.#flow, hook, chain, (error) => {
          const changed = this.chunk?.bytes ?? bytes
          this.#busy = false
          if (error !== undefined) this.#flow.crash(error)
          else done(changed)
          if (!this.#busy) this.#waiting.shift()?.()
        })
      }
      if (this.#busy) this.#waiting.push(run)
      else run()
    }
  }

  /** What the policies were asked last is not answered any more, so that nothing may wait for it. */
  drop(): void {
    this.#busy = false
    this.#waiting.length = 0
  }

  /** A policy puts other bytes in the chunk's place. */
  replace(bytes: Uint8Array): void {
    if (this.chunk !== undefined) this.chunk = { bytes, last: this.chunk.last }
  }
}

/** Holds a body until as much of it is there as a policy has asked for. */
export function holdBody(body: BodyPath, need: BodyNeed, done: (error: PosternError | undefined) => void): void {
  body.hold(need.bytes, need.whole, (held) => {
    if (held !== 'too large') return done(undefined)
    const isRequest = need.hook === 'onRequest'
    const what = `the body of the ${isRequest ? 'request' : 'response'} is larger than the ${need.bytes} bytes that a policy takes`
    done(new PosternError('BL', what, { status: isRequest ? 413 : 502 }))
  })
}

/**
 * The length of a body that takes another's place is known, and it has no trailers; the length of one which may change on
 * its way is not known.
 */
export function setBodyLength(fields: Fields, body: BodyPath, mayChange: boolean): void {
  if (body.replacedLength !== undefined) fields.delete('trailer')
  if (mayChange) fields.delete('content-length')
  else if (body.replacedLength !== undefined) fields.set('content-length', `${body.replacedLength}`)
}

/** The client as the source of its request's body. */
export class ClientBody implements BodySource {
  /** Whether it is the client's turn: more of the body is wanted, and has not come. */
  due = false
  readonly #exchange: Exchange
  readonly #owner: { awaitNext(): void }
  #receiving = false

  constructor(exchange: Exchange, owner: { awaitNext(): void }) {
    this.#exchange = exchange
    this.#owner = owner
  }

  pause(): void {
    this.due = false
    this.#exchange.pause()
  }

  resume(): void {
    const isFirst = !this.#receiving
    this.#receiving = true
    this.due = true
    if (isFirst) this.#exchange.receive()
    else this.#exchange.resume()
    this.#owner.awaitNext()
  }
}
