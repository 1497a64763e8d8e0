/** What one hook call may ask for; held inside the isolate for a clear error, and on the host because only that is sure. */
export const bounds = {
  /** Operations of one call. */
  operations: 1_000,
  /** Characters of all records of one call. */
  record: 262_144,
  /** Grant operations of one call. */
  grants: 64,
  /** Characters of a state. */
  state: 4_096,
  /** Characters of the kind, the message and the stack of a thrown error. */
  thrown: { kind: 100, message: 2_000, stack: 4_000 },
  /** How long the dispatcher goes on before it hands the rest of a crossing back, ms. */
  slice: 5,
  /** Start-up of a plugin's module, ms. */
  start: 1_000,
  /** Evaluation of `reads` and `writes`, ms. */
  scopes: 250,
  /** How long a hook may wait for its grants, ms. */
  wait: 5_000,
} as const
