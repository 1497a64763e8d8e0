import { ownText } from '../own-text.ts'
import { bounds } from './bounds.ts'
import type { Step } from './executor.ts'
import type { RunShape } from './run-shape.ts'
import { entry, RECORD, UNIT, zero } from './wire.ts'

/**
 * The frame of a crossing, shared by host and dispatcher. In: the id of the first start, then the pieces, each preceded
 * by a RECORD: what is new of runs, the calls of runs, and then the steps of all other calls. A step is one piece of text,
 * because every piece that the dispatcher has to cut out costs 50 ns:
 *
 *     shape   kind · `RunShape` as JSON
 *     run     kind · number, three digits · flags · each field and a UNIT · with flag `hasStates`, each state and a UNIT
 *     start   kind · plugin, two digits · entry, three digits · input
 *     resume  kind · plugin, two digits · id · UNIT · text; goes to a hook that has begun
 *
 * The starts of a crossing, members of runs among them, have consecutive ids.
 *
 * Out: an empty string when everything was done, every record is empty and no time was measured. Otherwise the times,
 * `index UNIT ms UNIT index UNIT ms …` by step, a RECORD, and, unless everything was done and all records are empty, the
 * records of the steps that were done, in order, each followed by a RECORD. A run has a record for each member up to the
 * one that ended it.
 *
 * While hooks wait for what leases or the host can bring them at once, the result of a round is not that output but
 * `unfinished` and what they ask the host for, possibly nothing. The host answers with the results that it has, and the next
 * round begins:
 *
 *     asked    id RECORD record RECORD id RECORD record RECORD …
 *     answers  for each of them `holdsAll` or `holdsSome` · results, separated by OPERATION · RECORD
 *
 * A result may end with an ITEM and the place of a counter's lease, from which the dispatcher decides later takes.
 */
export const kinds = { shape: '#', run: '=', start: '!', resume: '>', drop: '-' } as const

/** First character of the result of a round that is not the last one. No output begins with it. */
export const unfinished = '?'

/** Stands for the result of a round that has not ended. No result has this form. */
export const none = '!'

/** Stands for the record of a member that was not called although the one before it did not end the run. */
export const leftOut = '0'

/** Stands for an empty last record where an empty record means that there is nothing new: the hook has ended. */
export const ended = '1'

/** First character of an answer: it holds all results that its hook waits for, or only some of them. */
export const holdsAll = '+'
export const holdsSome = '-'

/** Heads of starts by plugin and entry, built once: there are few of them. */
const heads: string[][] = []

/** The calls of runs in a crossing. */
export interface RunsText {
  /** Id of the first member of the first of them. */
  readonly first: number
  readonly text: string
}

/** One string instead of many arguments: from eight calls on that is half the cost. */
export function frame(steps: readonly Step[], runs?: RunsText): string {
  let first = runs?.first
  let text = runs?.text ?? ''
  for (const step of steps) {
    if (step.entry < 0) text += resumeHead(step) + step.text
    else {
      first ??= step.call
      text += startHead(step) + step.text
    }
  }
  return (first ?? 0) + text
}

/** What the piece of a run begins with. */
export function runHead(number: number): string {
  return RECORD + kinds.run + digits(number, 3)
}

/** The piece that tells the dispatcher of a run. */
export function shapePiece(shape: RunShape): string {
  return RECORD + kinds.shape + JSON.stringify(shape)
}

function startHead({ plugin, entry }: Step): string {
  heads[plugin] ??= []
  heads[plugin][entry] ??= RECORD + kinds.start + digits(plugin, 2) + digits(entry, 3)
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
 *
 * @param from where the records begin, behind the times and the records of runs.
 */
export function readOutput(output: string, from: number = output.indexOf(RECORD) + 1): readonly string[] | undefined {
  return output.length === output.indexOf(RECORD) + 1 ? undefined : readPieces(output, from)
}

/** The pieces of a text, each of which ends with a RECORD. */
export function readPieces(text: string, from = 0): readonly string[] {
  const pieces = text.slice(from).split(RECORD)
  pieces.pop()
  return text.length <= bounds.pinned ? pieces : pieces.map((piece) => pieceOf(text, piece))
}

/**
 * A piece that was cut out of a text. Short pieces of a long text are copies of their own: what a flow keeps of one record
 * must not keep the records of all others. A long one keeps little that is not its own, and V8 was seen to put off
 * collecting such texts, up to a gigabyte of them, while they were copied.
 */
export function pieceOf(text: string, piece: string): string {
  return text.length > bounds.pinned && piece.length <= bounds.pinned ? ownText(piece) : piece
}
