/**
 * What a worker asks for one lease. The messages are arrays, because sending them is most of the cost of a shared
 * counter, and field names would be most of a message.
 */
export type LeaseAsk = readonly [
  /** Identifies the lease; chosen by the worker. */
  ref: number,
  /** Window of the points in `kept` and `back`; 0 for none. */
  window: number,
  /** Points that the worker keeps for its next takes. */
  kept: number,
  /** Points that the worker gives back. */
  back: number,
  /** Points that the worker would like to lease for later takes. */
  wish: number,
  /** Costs of the takes that wait for a decision, in their order. */
  costs: readonly number[],
  policy: string,
  key: string,
  points: number,
  /** Length of the window, seconds. */
  duration: number,
]

/** Gives back all points that a worker has left of a lease. */
export type LeaseReturn = readonly [ref: number, window: number, back: number]

/** What the authority has decided about an ask. */
export type LeaseTerms = readonly [
  ref: number,
  window: number,
  /** Time until the window ends, as the answer is written, ms. */
  ms: number,
  /** Points leased for later takes, in addition to the costs of those that waited. */
  leased: number,
  /** Points that no worker holds. */
  free: number,
  /** Most points that other workers may hold. */
  elsewhere: number,
  /** Refused takes, as indexes of `costs` in the ask. */
  refused: readonly number[],
]

/** The answer to an ask, or the message why it failed. */
export type LeaseAnswer = LeaseTerms | readonly [ref: number, problem: string]

/** What a worker sends in one turn of its event loop. */
export interface LeaseOrders {
  readonly returns: readonly LeaseReturn[]
  readonly asks: readonly LeaseAsk[]
}

/** What a worker receives in one turn of the authority's event loop. The answers are older than the recalls. */
export interface LeaseNews {
  readonly answers: readonly LeaseAnswer[]
  /** Leases, by `ref`, whose points the worker is to give back. */
  readonly recalls: readonly number[]
}
