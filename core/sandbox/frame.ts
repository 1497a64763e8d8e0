import { ownText } from '../own-text.ts'
import { bounds } from './bounds.ts'
import type { Step } from './executor.ts'
import { entry, RECORD, UNIT } from './wire.ts'

/**
 * The frame of a crossing, shared by host and dispatcher. In: the id of the first start, then the steps, each preceded
 * by a RECORD. A step is one piece of text, because every piece that the dispatcher has to cut out costs 50 ns:
 *
 *     start   kind · plugin, two digits · entry, three digits · input; the starts of a crossing have consecutive ids
 *     resume  kind · plugin, two digits · id · UNIT · text; goes to a hook that has begun
 *
 * Out: an empty string when every step was done and every record is empty; otherwise the records of the steps that were
 * done, in order, each followed by a RECORD.
 *
 * In the middle of a crossing the dispatcher passes on what hooks wait for, and the host answers with the results it
 * has:
 *
 *     asked    id RECORD record RECORD id RECORD record RECORD …
 *     answers  for each of them `holdsAll` or `holdsSome` · results, separated by OPERATION · RECORD
 *
 * A result may end with an ITEM and the place of a counter's lease, from which the dispatcher decides later takes.
 */
export const kinds = { start: '!', chained: '+', resume: '>', drop: '-' } as const

/** What `Dispatcher` returns for a crossing that has not ended. No output has this form. */
export const unfinished = '0'

/** Stands for the record of a chained step that was not run although the step before it did not end the segment. */
export const leftOut = '0'

/** Stands for an empty last record where an empty record means that there is nothing new: the hook has ended. */
export const ended = '1'

/** First character of an answer: it holds all results that its hook waits for, or only some of them. */
export const holdsAll = '+'
export const holdsSome = '-'

/** First of the 64 characters that serve as digits; none of them is a separator. */
const zero = 0x30

/** Heads of starts by plugin and entry, built once: there are few of them. */
const heads: string[][] = []

/** One string instead of many arguments: from eight calls on that is half the cost. */
export function frame(steps: readonly Step[]): string {
  let first: number | undefined
  let text = ''
  for (const step of steps) {
    if (step.entry < 0) text += resumeHead(step) + step.text
    else {
      first ??= step.call
      text += (step.chained ? `${RECORD}${kinds.chained}` : `${RECORD}${kinds.start}`) + startHead(step) + step.text
    }
  }
  return (first ?? 0) + text
}

function startHead({ plugin, entry }: Step): string {
  heads[plugin] ??= []
  heads[plugin][entry] ??= digits(plugin, 2) + digits(entry, 3)
  return heads[plugin][entry]
}

function resumeHead({ plugin, entry: number, call }: Step): string {
  return RECORD + (number === entry.resume ? kinds.resume : kinds.drop) + digits(plugin, 2) + call + UNIT
}

function digits(value: number, length: number): string {
  let text = ''
  for (let rest = value, i = 0; i < length; i++, rest >>= 6) text = String.fromCharCode(zero + (rest & 63)) + text
  return text
}

/** Undoes `digits` of two. */
export function twoDigits(text: string, at: number): number {
  return ((text.charCodeAt(at) - zero) << 6) | (text.charCodeAt(at + 1) - zero)
}

/** Undoes `digits` of three. */
export function threeDigits(text: string, at: number): number {
  return (twoDigits(text, at) << 6) | (text.charCodeAt(at + 2) - zero)
}

/**
 * The records of the steps that were done, in order; `undefined` when all steps were done and all records are empty.
 */
export function readOutput(output: string): readonly string[] | undefined {
  if (output === '') return undefined
  return readPieces(output)
}

/**
 * The pieces of a text, each of which ends with a RECORD. Short pieces of a long text are copies of their own: what a
 * flow keeps of one record must not keep the records of all others.
 */
export function readPieces(text: string): readonly string[] {
  const pieces = text.split(RECORD)
  pieces.pop()
  if (text.length <= bounds.pinned) return pieces
  return pieces.map((piece) => (piece.length > bounds.pinned ? piece : ownText(piece)))
}
