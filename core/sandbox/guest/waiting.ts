import type { Taker } from './leases.ts'
import type { GuestRun } from './run.ts'

/** A hook that waits while its crossing is under way. */
export interface Waiting {
  /** Index of its step in the crossing. */
  readonly index: number
  readonly plugin: number
  readonly id: number
  /** What it has asked for and the host has not received yet. */
  record: string
  /** Decides what it takes from counters, until it asks for anything that only the host can do. */
  readonly taker: Taker | undefined
  /** The call of a run in which it has its turn; `undefined`: it is a step of its own. */
  readonly turns: Turns | undefined
}

/** The call of a run, one of whose members waits. */
export class Turns {
  readonly run: GuestRun
  /** Which of the run calls of the crossing it is. */
  readonly place: number
  /** Id, and index in the crossing, of the first member. */
  readonly id: number
  readonly index: number
  readonly bits: number
  readonly values: string[]
  /** The member that waits. */
  readonly member: number
  /** What it has written so far: records that asked for something, with an OPERATION behind each. */
  written = ''
  /** How many these are. */
  waits = 0
  /** The host has not answered all that it asked for, for whatever reason. */
  isReleased = false

  constructor(run: GuestRun, place: number, id: number, index: number, bits: number, values: string[], member: number) {
    this.run = run
    this.place = place
    this.id = id
    this.index = index
    this.bits = bits
    this.values = values
    this.member = member
  }
}
