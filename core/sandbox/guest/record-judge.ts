import { bounds } from '../bounds.ts'
import type { MemberShape } from '../run-shape.ts'
import { ESCAPE, OPERATION, op, RECORD, UNIT } from '../wire.ts'
import type { Member } from './run.ts'
import type { Turns } from './waiting.ts'

/** Longest record that is judged here, characters: it holds fewer operations, and less of headers, than the host refuses. */
const longest = 3_000
/** Longest value behind a known beginning, so that it may be that of any operation. */
const longestValue = bounds.consumer
/** Most beginnings of operations that are kept for a policy. */
const mostHeads = 16
const operation = OPERATION.charCodeAt(0)
const unit = UNIT.charCodeAt(0)
/** The only control character in a plain value. */
const tab = 0x09

/**
 * Whether a member of a run may be given what it waits for: the host is sure to give it its turn, with these values. What
 * it asks for could otherwise be done in vain, or twice.
 *
 * @param records of the members before it.
 * @param k which member it is.
 * @param before the last one of them that has waited: those before that were looked at then.
 */
export function isSure(records: string, members: readonly Member[], k: number, before: Turns | undefined): boolean {
  let i = 0
  if (before !== undefined) {
    const { member, written, waits, isReleased } = before
    if (isReleased || !members[member]!.judge.isPlain(written, waits)) return false
    i = member + 1
  }
  // All of them are silent.
  if (records.length === k) return true
  let at = 0
  for (let j = 0; j < k; j++) {
    const end = records.indexOf(RECORD, at)
    if (j >= i && end > at && !members[j]!.judge.isPlain(records.slice(at, end), 0)) return false
    at = end + 1
  }
  return true
}

/**
 * Tells whether the host is sure to accept what a policy has written, and then goes on to the next one of the run. It may
 * accept more: what is written has to be plain text, in headers that the policy names.
 */
export class RecordJudge {
  readonly #shape: MemberShape
  /**
   * What operations began with that were accepted: code, name if any, and a UNIT where a value follows. Looking for one of them
   * takes a tenth of the time that it takes to read an operation.
   */
  readonly #heads: string[] = []

  constructor(shape: MemberShape) {
    this.#shape = shape
  }

  /**
   * @param text all records of a hook that has ended, joined.
   * @param waits how many of them asked for grants, and were answered.
   */
  isPlain(text: string, waits: number): boolean {
    if (text.length > longest) return false
    let waited = 0
    /** It has asked for a grant that the host has yet to look at. */
    let asks = false
    for (let at = 0; at < text.length; ) {
      let end = this.#endOfKnown(text, at)
      if (end === -1) {
        const found = text.indexOf(OPERATION, at)
        end = found === -1 ? text.length : found
        const code = text.charAt(at)
        if (code === op.wait && end === at + 1) {
          waited++
          asks = false
        } else if (text.charCodeAt(at + 1) !== unit) return false
        else if (code === op.grant) asks = true
        else if (!this.#isAccepted(code, text.slice(at + 2, end))) return false
      }
      if (end === text.length - 1) return false
      at = end + 1
    }
    return !asks && waited === waits
  }

  /** Where an operation ends that begins with a known head and goes on in plain text; -1 for any other. */
  #endOfKnown(text: string, at: number): number {
    const heads = this.#heads
    for (let i = 0; i < heads.length; i++) {
      const head = heads[i]!
      if (!text.startsWith(head, at)) continue
      const from = at + head.length
      const end = endOfPlain(text, from)
      if (end - from > longestValue) return -1
      if (head.charCodeAt(head.length - 1) === unit || end === from) return end
    }
    return -1
  }

  /** @param rest what follows the code. */
  #isAccepted(code: string, rest: string): boolean {
    const { writes, notes } = this.#shape
    if (rest.includes(ESCAPE)) return false
    const cut = rest.indexOf(UNIT)
    const isOne = cut === -1
    switch (code) {
      case op.undeclared:
        return true
      case op.note:
        return notes.includes(rest.slice(0, rest.indexOf('.')))
      case op.state:
        return isOne && this.#keep(code + UNIT)
      case op.consumer:
        return isOne && writes.consumer && rest.length <= bounds.consumer && this.#keep(code + UNIT)
      case op.setHeader:
        return this.#isWritten(code, rest, cut, writes.headers)
      case op.removeHeader:
        return isOne && this.#isNamed(code, rest, writes.headers)
      case op.setResponseHeader:
      case op.appendResponseHeader:
        return this.#isWritten(code, rest, cut, writes.responseHeaders)
      case op.removeResponseHeader:
        return isOne && this.#isNamed(code, rest, writes.responseHeaders)
      default:
        return false
    }
  }

  #isWritten(code: string, rest: string, cut: number, names: readonly string[]): boolean {
    if (cut === -1 || endOfPlain(rest, cut + 1) !== rest.length) return false
    return this.#isNamed(code, rest.slice(0, cut), names, UNIT)
  }

  #isNamed(code: string, name: string, names: readonly string[], behind = ''): boolean {
    const isTheirs = names.includes(name) || names.includes(name.toLowerCase())
    return isTheirs && this.#keep(code + UNIT + name + behind)
  }

  #keep(head: string): true {
    if (this.#heads.length < mostHeads && !this.#heads.includes(head)) this.#heads.push(head)
    return true
  }
}

/** Where plain text ends, with its operation; -1 when it is followed by anything else. */
function endOfPlain(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === operation) return i
    if ((code < 0x20 && code !== tab) || code > 0x7e) return -1
  }
  return text.length
}
