// The global of the same name is a getter, and this runs on the path of requests.
import { performance } from 'node:perf_hooks'
import { PosternError } from '../errors.ts'
import type { Delivery } from '../net/delivery.ts'
import { type Expiring, WheelTimer } from '../net/timer-wheel.ts'

/** What a timeout fails. */
export interface Failing {
  fail(error: PosternError): void
}

/** A side that receives a body. */
interface Receiver {
  /** Whether it, or its kernel, has taken everything that was written. */
  readonly isFlushed: boolean
  delivery(done: (delivery: Delivery) => void): void
}

/** The limits, ms. */
export interface TimeLimits {
  /** For the backend: until the head of its response, and between pieces of it. */
  readonly responseLimit: number
  readonly idle: number
  /** For the client: between pieces of a body that it sends or reads. */
  readonly clientIdle: number
  /** Least bytes per second of the client; `undefined`: one byte in `clientIdle` is enough. */
  readonly minRate: number | undefined
}

/** The flow whose time is limited. */
export interface TimedFlow extends Failing {
  readonly facts: TimeLimits
  readonly client: Receiver & { readonly bytesIn: number; readonly isHeldBack: boolean }
  /** The request under way on a backend. */
  readonly backend: Receiver | undefined
  /** Whether a part of the request's body may have gone to a backend. */
  readonly hasUploaded: boolean
  /** Whether more of the request's body may follow, or is on its way to the backend. */
  readonly isUploading: boolean
  /** The backend has not answered in time; another one may. */
  failAttempt(error: PosternError): void
}

/** For neither side. */
const NOTHING = 0
/** For the client to send more of the request's body. */
const BODY = 1
/** For the backend to send the head of its response. */
const HEAD = 2
/** For the backend to send more of its response. */
const DATA = 3
/** For the client to read more of the response. */
const READER = 4

type Wait = typeof NOTHING | typeof BODY | typeof HEAD | typeof DATA | typeof READER

/** Longest time of a timer of node, ms: 24 days. A longer one would fire immediately. */
const longestTimer = 2_147_483_647

/** How often a slow side is looked at within its limit: it is cut off when it did not move between that many looks. */
const looks = 4

/**
 * The time limits of a request: one for the side whose turn it is, client or backend, which may fire up to 200 ms late; and
 * the route's limit for the whole request.
 *
 * A side that moves slowly is not silent. Where its progress shows in calls of the flow, each of them restarts the limit.
 * Where bytes wait for it, it is looked at a few times within its limit; see `deliveryOf`.
 */
export class Deadline implements Expiring {
  readonly #flow: TimedFlow
  readonly #timer = new WheelTimer(this)
  #total: NodeJS.Timeout | undefined
  #wait: Wait = NOTHING
  #after = 0
  /** Increased by everything that restarts a limit: the result of an earlier look is then ignored. */
  #round = 0
  /** The wait that the looks are for, and how many of them in a row saw too little progress. */
  #looking: Wait = NOTHING
  #quiet = 0
  /** Bytes moved by the time of the last look; -1 before the first one. */
  #seen = -1
  #seenAt = 0

  constructor(flow: TimedFlow) {
    this.#flow = flow
  }

  /** Limits the whole request, ms. @param allowed who says so, for the message */
  limitAll(ms: number, allowed: string = 'its route allows'): void {
    const expire = (): void =>
      this.#flow.fail(new PosternError('UT', `the request took longer than the ${ms} ms that ${allowed}`))
    if (ms > longestTimer) return
    // Again after the same time: the error may wait for the policies that see it, too.
    this.#total = setInterval(expire, ms)
  }

  /** Removes the limit for the whole request. */
  unlimitAll(): void {
    clearInterval(this.#total)
  }

  /** Waits for the client to send more of the body. */
  awaitBody(): void {
    const { clientIdle, minRate } = this.#flow.facts
    if (minRate === undefined) return this.#begin(BODY, clientIdle, clientIdle)
    if (this.#wait === BODY) return
    this.#begin(BODY, clientIdle, clientIdle / looks)
    this.#forget(BODY)
    this.#seen = this.#flow.client.bytesIn
    this.#seenAt = performance.now()
  }

  /** Waits for the backend to send the head of its response. */
  awaitHead(): void {
    const { responseLimit } = this.#flow.facts
    this.#begin(HEAD, responseLimit, responseLimit)
  }

  /** Waits for the backend to send more of its response. */
  awaitData(): void {
    const { idle } = this.#flow.facts
    this.#begin(DATA, idle, idle)
  }

  /** Waits for the client to read more of the response. */
  awaitReader(): void {
    if (this.#wait === READER) return
    const { clientIdle } = this.#flow.facts
    this.#begin(READER, clientIdle, clientIdle / looks)
    // The kernel takes more from time to time even if the client reads slowly: it is not judged anew each time.
    const isRecent = this.#looking === READER && performance.now() - this.#seenAt < (2 * clientIdle) / looks
    if (!isRecent) this.#forget(READER)
  }

  /** Waits for neither side. */
  pause(): void {
    this.#wait = NOTHING
    this.#round++
    this.#timer.disarm()
  }

  end(): void {
    this.pause()
    if (this.#total !== undefined) this.unlimitAll()
  }

  onTimeout(): void {
    const { client, backend, hasUploaded, isUploading } = this.#flow
    switch (this.#wait) {
      case BODY:
        return this.#looking === BODY ? this.#judge(client.bytesIn) : this.#expire()
      case HEAD:
        return hasUploaded && backend !== undefined ? this.#look(backend, client.bytesIn, !isUploading) : this.#expire()
      case DATA:
        if (!client.isFlushed) return this.awaitReader()
        return isUploading && backend !== undefined ? this.#look(backend, client.bytesIn, false) : this.#expire()
      case READER:
        if (!client.isFlushed) return this.#look(client, 0, false)
        // The client has read everything: now the backend has its turn, or a policy, whose time is limited elsewhere.
        this.#forget(READER)
        return backend === undefined ? this.#timer.arm(this.#after / looks) : this.awaitData()
    }
  }

  #begin(wait: Wait, after: number, first: number): void {
    this.#wait = wait
    this.#after = after
    this.#round++
    this.#timer.arm(first)
  }

  #forget(looking: Wait): void {
    this.#looking = looking
    this.#quiet = 0
    this.#seen = -1
  }

  /**
   * Looks how much a side has received.
   *
   * @param sent bytes that count as progress too
   * @param isWhole it has been sent everything: if it has received that, it is silent
   */
  #look(side: Receiver, sent: number, isWhole: boolean): void {
    if (this.#looking !== this.#wait) this.#forget(this.#wait)
    const round = ++this.#round
    side.delivery(({ taken, left }) => {
      if (round !== this.#round) return
      if (isWhole && left === 0) this.#expire()
      else this.#judge(taken + sent)
    })
  }

  /** @param moved bytes so far */
  #judge(moved: number): void {
    const now = performance.now()
    const rate = this.#wait === HEAD || this.#wait === DATA ? undefined : this.#flow.facts.minRate
    const enough = rate === undefined ? 1 : (rate * (now - this.#seenAt)) / 1000
    if (this.#seen === -1 || moved - this.#seen >= enough) this.#quiet = 0
    else this.#quiet++
    this.#seen = moved
    this.#seenAt = now
    if (this.#quiet >= looks) this.#expire()
    else this.#timer.arm(this.#after / looks)
  }

  #expire(): void {
    const after = `for ${this.#after} ms`
    const { minRate } = this.#flow.facts
    const least = minRate === undefined ? 'nothing' : `less than ${minRate} bytes per second`
    switch (this.#wait) {
      case BODY:
        return this.#flow.fail(new PosternError('CI', `the client sent ${least} of the request's body ${after}`))
      case READER:
        return this.#flow.fail(
          this.#flow.client.isHeldBack
            ? new PosternError('SI', `the client's window let through ${least} of the response ${after}`)
            : new PosternError('CI', `the client read ${least} of the response ${after}`),
        )
      case DATA:
        return this.#flow.fail(new PosternError('SI', `no response data from the backend ${after}`))
      default:
        this.#flow.failAttempt(new PosternError('UT', `no response head from the backend ${after}`))
    }
  }
}
