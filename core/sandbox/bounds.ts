/**
 * Limits of one hook call. The guest checks them for a clear error; the host checks them again because plugin code can
 * manipulate the guest.
 */
export const bounds = {
  /** Operations of one call. */
  operations: 1_000,
  /** Characters of all records of one call, as the guest counts them. */
  record: 262_144,
  /** The same on the host, where waits, undeclared reads and an error count too. */
  hostRecord: 524_288,
  /** Operation codes and arguments of one record. */
  parts: 10_000,
  /** Longest record, and crossing, whose arguments may be slices of it, characters: a kept slice keeps all of it. */
  pinned: 16_384,
  /** Characters of a body in base64: 1 MB. It does not count towards `record`. */
  body: 1_398_104,
  /** Log lines and metrics of one call; any more are dropped. */
  notes: 100,
  /** Log lines of one call, and characters of a line's message and of its fields; anything beyond is dropped. */
  lines: { call: 20, length: 1_024 },
  /** Lines a second that all plugins of an isolate may write to `console`. */
  consoleLines: 50,
  /** Undeclared fields that a realm reports, and characters of each name. */
  undeclared: { fields: 50, name: 200 },
  /** Characters of a state. */
  state: 4_096,
  /** Characters of a consumer's name. */
  consumer: 256,
  /**
   * Bytes that the host holds for the calls of one policy that are under way: long records, and what grants have
   * brought them, every copy included. A character counts as two.
   */
  held: 16_777_216,
  /** Characters of the kind, the message and the stack of a thrown error; lines of the stack that are logged. */
  thrown: { kind: 100, message: 2_000, stack: 4_000, lines: 16 },
  /** Characters of a crossing, in or out, from which no more steps are added to it: results of grants may be long. */
  crossing: 262_144,
  /** Time after which the dispatcher hands the remaining steps of a crossing back, ms. */
  slice: 5,
  /** Time for starting a plugin's module when its configuration is checked, ms; never more in a worker. */
  start: 500,
  /** In a worker it may take this many times as long as in the check, and at least this many ms. */
  startFactor: 4,
  startAtLeast: 50,
  /** Time for evaluating `reads`, `writes` and `when`, ms. */
  scopes: 250,
} as const
