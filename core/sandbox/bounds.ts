/** What one hook call may ask for; held inside the isolate for a clear error, and on the host because only that is sure. */
export const bounds = {
  /** Operations of one call. */
  operations: 1_000,
  /** Characters of all records of one call. */
  record: 262_144,
  /** Characters of a body in base64: 1 MB. It counts apart from the rest of the record. */
  body: 1_398_104,
  /** Log lines and metrics of one call; what is beyond is dropped. */
  notes: 100,
  /** Log lines of one call, and characters of a line's message and of its fields; what is beyond is dropped. */
  lines: { call: 20, length: 1_024 },
  /** Fields that a realm says it has read without having declared them, and characters of each. */
  undeclared: { fields: 50, name: 200 },
  /** Characters of a state. */
  state: 4_096,
  /** Characters of the kind, the message and the stack of a thrown error. */
  thrown: { kind: 100, message: 2_000, stack: 4_000 },
  /** Characters of a crossing, beyond which nothing is added: what grants bring may be long. */
  crossing: 262_144,
  /** How long the dispatcher goes on before it hands the rest of a crossing back, ms. */
  slice: 5,
  /** Start-up of a plugin's module, ms. */
  start: 500,
  /** Evaluation of `reads` and `writes`, ms. */
  scopes: 250,
} as const
