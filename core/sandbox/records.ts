import { ownText } from '../own-text.ts'
import { bounds } from './bounds.ts'
import type { Thrown } from './trace.ts'
import { ESCAPE, OPERATION, op, UNIT, unescapeText } from './wire.ts'

/**
 * Minimum number of arguments of each operation. A record with an unknown operation, or one with fewer, is malformed.
 */
const least: ReadonlyMap<string, number> = new Map<string, number>([
  [op.setHeader, 2],
  [op.removeHeader, 1],
  [op.setResponseHeader, 2],
  [op.appendResponseHeader, 2],
  [op.removeResponseHeader, 1],
  [op.useUpstream, 1],
  [op.consumer, 1],
  [op.state, 1],
  [op.backend, 1],
  [op.health, 3],
  [op.reply, 3],
  [op.grant, 2],
  [op.note, 1],
  [op.undeclared, 1],
  [op.error, 3],
  [op.wait, 0],
])

const malformed = 'the plugin sent a malformed record'

/**
 * The operations of a record without a body, with their arguments unescaped; or what is wrong with it. A plugin can
 * send any text as its record, so the work is linear in the length and ends at the bounds.
 *
 * Split by hand: for a record of two operations `split` and `map` take 0.5 µs, this takes 0.2.
 *
 * @param most operations that the record may hold.
 */
export function readRecord(text: string, most: number = bounds.operations): string[][] | string {
  if (text === '') return []
  const isPlain = !text.includes(ESCAPE)
  const isLong = text.length > bounds.pinned
  const operations: string[][] = []
  let parts = 0
  /** The next UNIT; kept until it is passed, as the one after it may be at the end of a long text. */
  let unit = -1
  for (let from = 0; from <= text.length; ) {
    const found = text.indexOf(OPERATION, from)
    const end = found === -1 ? text.length : found
    if (operations.length === most) return `the hook asked for more than ${bounds.operations} operations`
    const operation: string[] = []
    for (let at = from; at <= end; ) {
      if (unit < at) {
        unit = text.indexOf(UNIT, at)
        if (unit === -1) unit = text.length
      }
      const cut = Math.min(unit, end)
      if (++parts > bounds.parts) return `the hook wrote operations with more than ${bounds.parts} arguments`
      const slice = text.slice(at, cut)
      const argument = isLong ? ownText(slice) : slice
      operation.push(isPlain ? argument : unescapeText(argument))
      at = cut + 1
    }
    const few = least.get(operation[0]!)
    if (few === undefined || operation.length - 1 < few) return malformed
    operations.push(operation)
    from = end + 1
  }
  return operations
}

/** Operations that need nothing of the host but the flow into which they write: all take exactly their least arguments. */
const plain: readonly string[] = [
  op.setHeader,
  op.removeHeader,
  op.setResponseHeader,
  op.appendResponseHeader,
  op.removeResponseHeader,
  op.useUpstream,
  op.consumer,
  op.state,
]
/** Code and number of arguments, by character, of codes in ASCII. */
const plainCodes = Array.from({ length: 128 }, (_, i): readonly [code: string, size: number] | undefined => {
  const code = String.fromCharCode(i)
  return plain.includes(code) ? [code, least.get(code)!] : undefined
})
const unitCode = UNIT.charCodeAt(0)
/** Most characters of a record that is read here. */
const shortRecord = 4_096

/**
 * The operations of a record that stands in an output from one index to another, when it only writes into the flow and is
 * short; `undefined` for any other, which has to be read with all that a run knows of its bounds. It takes half the time
 * of `readRecord`.
 */
export function plainOperations(output: string, from: number, to: number): string[][] | undefined {
  if (to - from > shortRecord) return undefined
  const slice = output.slice(from, to)
  if (slice.includes(ESCAPE)) return undefined
  const record = output.length > bounds.pinned ? ownText(slice) : slice
  const operations: string[][] = []
  for (let at = 0; at < record.length; ) {
    const found = record.indexOf(OPERATION, at)
    const end = found === -1 ? record.length : found
    const known = plainCodes[record.charCodeAt(at)]
    if (known === undefined || end < at + 2 || record.charCodeAt(at + 1) !== unitCode) return undefined
    if (operations.length === bounds.operations) return undefined
    const unit = record.indexOf(UNIT, at + 2)
    const isOne = unit === -1 || unit >= end
    if (isOne !== (known[1] === 1)) return undefined
    if (isOne) operations.push([known[0], record.slice(at + 2, end)])
    else {
      const next = record.indexOf(UNIT, unit + 1)
      if (next !== -1 && next < end) return undefined
      operations.push([known[0], record.slice(at + 2, unit), record.slice(unit + 1, end)])
    }
    // An operation may not be missing behind the last separator.
    if (end === record.length - 1) return undefined
    at = end + 1
  }
  return operations
}

/** What is wrong with the body that a hook has written; `undefined` when it is base64 of the right size. */
export function bodyProblem(body: string): string | undefined {
  if (body.length > bounds.body) return 'the hook wrote a body of more than 1,048,576 bytes'
  return body.length % 4 === 0 && base64.test(body) ? undefined : malformed
}

const base64 = /^[A-Za-z0-9+/]*={0,2}$/

/** An error that the guest encoded as an operation. */
export function readThrown(text: string): Thrown {
  const operations = readRecord(text.slice(0, bounds.record))
  return thrownOf(typeof operations === 'string' ? [] : (operations[0] ?? []))
}

/** The error of an operation. */
export function thrownOf([, kind = '', message = unreadable, stack = '']: readonly string[]): Thrown {
  return cutThrown(kind, message, stack)
}

const unreadable = 'the plugin sent an error that cannot be read'

/** Cuts an error to its bounds: a guest that the plugin has manipulated may not keep them. */
export function cutThrown(kind: string, message: string, stack: string): Thrown {
  const { thrown } = bounds
  return {
    kind: kind.slice(0, thrown.kind),
    message: message.slice(0, thrown.message),
    stack: stack.slice(0, thrown.stack),
  }
}
