import type { Step } from './executor.ts'
import { entry, RECORD, UNIT } from './wire.ts'

/**
 * The frame of a crossing, which host and dispatcher share. In: the id of the first start, then the steps, each of them
 * behind a RECORD. A step is one piece of text, for every piece that the dispatcher has to cut out costs 50 ns:
 *
 *     start   kind · plugin, two digits · entry, three digits · input; the starts of a crossing have consecutive ids
 *     resume  kind · plugin, two digits · id · UNIT · text: to a hook that has begun
 *
 * Out: nothing when every step was done and no hook had anything to say, or the records of the steps that were done, in
 * their order, each with a RECORD behind it.
 *
 * In the middle of a crossing the dispatcher shows the host what hooks wait for, and it answers what it has:
 *
 *     asked    id RECORD record RECORD id RECORD record RECORD …
 *     answers  for each of them `holdsAll` or `holdsSome` · results, an OPERATION between two of them · RECORD
 */
export const kinds = { start: '!', chained: '+', resume: '>', drop: '-' } as const

/** What `Dispatcher` gives for a crossing that has not come to its end: no output looks like that. */
export const unfinished = '0'

/** In place of a record: a chained step was not made, though the one before it went on. */
export const leftOut = '0'

/** In place of an empty record, where an empty one stands for nothing new: the hook has come to its end. */
export const ended = '1'

/** An answer that begins so holds all that its hook waits for; another one begins with `holdsSome`. */
export const holdsAll = '+'
export const holdsSome = '-'

/** Digits begin here, so that none of them is a separator, and go on for 64 characters. */
const zero = 0x30

/** Heads of starts by plugin and entry: few, and always the same. */
const heads: string[][] = []

/** One string and not many arguments: from eight calls on that is half the cost. */
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

/** The records of the steps that were done, in their order; `undefined` when all were and none had anything to say. */
export function readOutput(output: string): readonly string[] | undefined {
  if (output === '') return undefined
  const records = output.split(RECORD)
  // Each has a separator behind it.
  records.pop()
  return records
}
