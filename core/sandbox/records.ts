import type { Thrown } from './trace.ts'
import { OPERATION, op, RECORD, UNIT, unescapeText } from './wire.ts'

/** What a crossing gave back: how many steps were done, and the records of those that had something to say. */
export interface Output {
  /** `undefined` when all were. */
  readonly done: number | undefined
  readonly records: readonly { readonly call: number; readonly text: string }[]
}

export function readOutput(output: string): Output {
  if (output === '') return { done: undefined, records: [] }
  const [done, ...rest] = output.split(RECORD)
  const records = rest.map((record) => {
    const cut = record.indexOf(OPERATION)
    return { call: Number(record.slice(0, cut)), text: record.slice(cut + 1) }
  })
  return { done: Number(done), records }
}

/** Arguments each operation has at least. An operation with fewer, or an unknown one, makes its record unreadable. */
const least: Readonly<Record<string, number>> = {
  [op.setHeader]: 2,
  [op.removeHeader]: 1,
  [op.setResponseHeader]: 2,
  [op.appendResponseHeader]: 2,
  [op.removeResponseHeader]: 1,
  [op.useUpstream]: 1,
  [op.consumer]: 1,
  [op.state]: 1,
  [op.body]: 1,
  [op.backend]: 1,
  [op.health]: 3,
  [op.reply]: 3,
  [op.grant]: 2,
  [op.note]: 1,
  [op.undeclared]: 1,
  [op.error]: 3,
  [op.wait]: 0,
}

/** The operations of a record, arguments as they were; `undefined` when it is malformed. */
export function readRecord(text: string): string[][] | undefined {
  if (text === '') return []
  const operations: string[][] = []
  for (const part of text.split(OPERATION)) {
    const operation = part.split(UNIT).map(unescapeText)
    const code = operation[0]!
    if (!Object.hasOwn(least, code) || operation.length - 1 < least[code]!) return undefined
    operations.push(operation)
  }
  return operations
}

/** An error that the guest encoded as an operation. */
export function readThrown(text: string): Thrown {
  const [operation] = readRecord(text) ?? []
  const [, kind = '', message = 'the plugin sent what cannot be read', stack = ''] = operation ?? []
  return { kind, message, stack }
}
