// The global of the same name is a getter.
import { performance } from 'node:perf_hooks'

/** A handshake that waits for its turn, or is under way. */
export interface Handshaking {
  begin(): void
  /** Ends it: others wait, and it has been under way for too long. */
  giveWay(): void
}

interface GateLimits {
  /** Most handshakes under way; each holds some 60 KB, which clients that stop in the middle would occupy. */
  readonly atOnce: number
  /** Handshakes that may begin in one turn of the event loop; each takes a millisecond, and other traffic waits for them. */
  readonly perTurn: number
  /** How long one may be under way while few others wait for it, ms. */
  readonly patience: number
  /** How long it may be while many do, ms: a client far away takes 300 for its answer. */
  readonly leastPatience: number
}

const limitsOfProcess: GateLimits = { atOnce: 512, perTurn: 4, patience: 2000, leastPatience: 500 }

/**
 * Lets a bounded number of handshakes be under way, in the order of their arrival. When clients that stop in the middle
 * occupy all of them, the oldest gives way: the sooner, the more wait, so that all get their turn before their time is over.
 */
export class HandshakeGate {
  /** With the time when each began, by `performance.now`, the oldest first. */
  readonly #underWay = new Map<Handshaking, number>()
  readonly #waiting = new Set<Handshaking>()
  readonly #limits: GateLimits
  #begun = 0
  #isDue = false
  #timer: NodeJS.Timeout | undefined

  constructor(limits: GateLimits = limitsOfProcess) {
    this.#limits = limits
  }

  /** `begin` is called now or later, unless it leaves before. */
  enter(one: Handshaking): void {
    if (this.#waiting.size === 0 && this.#mayBegin) return this.#begin(one)
    this.#waiting.add(one)
    this.#proceedIfAwaited()
  }

  /** It has ended, or does not want to begin any more. */
  leave(one: Handshaking): void {
    if (this.#underWay.delete(one)) this.#proceedIfAwaited()
    else this.#waiting.delete(one)
  }

  get #mayBegin(): boolean {
    return this.#begun < this.#limits.perTurn && !this.#isFull
  }

  get #isFull(): boolean {
    return this.#underWay.size >= this.#limits.atOnce
  }

  #begin(one: Handshaking): void {
    this.#underWay.set(one, performance.now())
    if (this.#begun++ === 0) this.#proceedSoon()
    one.begin()
  }

  #proceedIfAwaited(): void {
    if (this.#waiting.size > 0) this.#proceedSoon()
  }

  #proceedSoon(): void {
    if (this.#isDue) return
    this.#isDue = true
    setImmediate(() => this.#proceed())
  }

  #proceed(): void {
    this.#isDue = false
    this.#begun = 0
    for (const one of this.#waiting) {
      if (!this.#mayBegin) break
      this.#waiting.delete(one)
      this.#begin(one)
    }
    if (this.#waiting.size > 0 && this.#isFull) this.#makeRoom()
  }

  /** Ends those that have been under way for too long; if there are none, when the oldest has been. */
  #makeRoom(): void {
    const now = performance.now()
    const patience = this.#patience
    clearTimeout(this.#timer)
    for (const [one, since] of this.#underWay) {
      const left = since + patience - now
      if (left > 0) {
        this.#timer = setTimeout(() => this.#proceed(), left).unref()
        break
      }
      one.giveWay()
    }
  }

  get #patience(): number {
    const { atOnce, patience, leastPatience } = this.#limits
    return Math.max(leastPatience, (patience * atOnce) / (atOnce + this.#waiting.size))
  }
}

/** That of this process. */
export const handshakes: HandshakeGate = new HandshakeGate()
