/**
 * What a worker asks for one lease. All of these are arrays: a message a turn is most of what a shared counter costs, and
 * names of fields would be most of the message.
 */
export type LeaseAsk = readonly [
  /** The worker's name for the lease. */
  ref: number,
  /** The window that the next two belong to; 0 for none. */
  window: number,
  /** Points that the worker keeps and still uses. */
  kept: number,
  /** Points that it gives back. */
  back: number,
  /** Points that it would like to have ahead of need. */
  wish: number,
  /** Takes that wait to be decided, in their order. */
  costs: readonly number[],
  policy: string,
  key: string,
  points: number,
  /** Seconds. */
  duration: number,
]

/** All the points a worker has left of a lease; after it there are none. */
export type LeaseReturn = readonly [ref: number, window: number, back: number]

/** The answer to an ask, or why it failed. */
export type LeaseAnswer =
  | readonly [
      ref: number,
      window: number,
      /** Milliseconds until the window ends, counted from when this was written. */
      left: number,
      /** Points leased beyond those of the takes that waited. */
      leased: number,
      /** Points that no worker holds. */
      free: number,
      /** Points that other workers hold at most. */
      elsewhere: number,
      /** Which of the takes that waited are refused, by index. */
      refused: readonly number[],
    ]
  | readonly [ref: number, problem: string]

/** What a worker sends in one turn of its event loop. */
export interface LeaseOrders {
  readonly returns: readonly LeaseReturn[]
  readonly asks: readonly LeaseAsk[]
}

/** What a worker receives in one turn. The answers were given before the recalls. */
export interface LeaseNews {
  readonly answers: readonly LeaseAnswer[]
  /** Leases (by ref) whose points are wanted back. */
  readonly recalls: readonly number[]
}
