import { bounds } from '../bounds.ts'
import type { MemberShape } from '../run-shape.ts'
import { ESCAPE, OPERATION, op, RECORD, UNIT } from '../wire.ts'
import type { Member } from './run.ts'
import type { Turns } from './waiting.ts'

/** Longest record that is judged here, characters: it holds fewer operations, and less of headers, than the host refuses. */
const longest = 3_000

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
    if (isReleased || !isPlain(written, members[member]!.shape, waits)) return false
    i = member + 1
  }
  // All of them are silent.
  if (records.length === k) return true
  const pieces = records.split(RECORD)
  for (; i < k; i++) if (!isPlain(pieces[i]!, members[i]!.shape, 0)) return false
  return true
}

/**
 * Whether the host is sure to accept what a policy has written, and then goes on to the next one of the run. It may accept
 * more: what is written has to be plain text, in headers that the policy names.
 *
 * @param text all records of a hook that has ended, joined.
 * @param waits how many of them asked for grants, and were answered.
 */
function isPlain(text: string, member: MemberShape, waits: number): boolean {
  if (text.length > longest || text.includes(ESCAPE)) return false
  let waited = 0
  /** It has asked for a grant that the host has yet to look at. */
  let asks = false
  for (let at = 0; at < text.length; ) {
    const found = text.indexOf(OPERATION, at)
    const end = found === -1 ? text.length : found
    const code = text.charAt(at)
    if (end === text.length - 1) return false
    if (code === op.wait && end === at + 1) {
      waited++
      asks = false
    } else if (text.charAt(at + 1) !== UNIT) return false
    else if (code === op.grant) asks = true
    else if (!isAccepted(code, text.slice(at + 2, end), member)) return false
    at = end + 1
  }
  return !asks && waited === waits
}

/** @param rest what follows the code. */
function isAccepted(code: string, rest: string, { writes, notes }: MemberShape): boolean {
  const unit = rest.indexOf(UNIT)
  switch (code) {
    case op.undeclared:
      return true
    case op.note:
      return notes.includes(rest.slice(0, rest.indexOf('.')))
    case op.state:
      return unit === -1
    case op.consumer:
      return unit === -1 && writes.consumer && rest.length <= bounds.consumer
    case op.setHeader:
      return isWritten(rest, unit, writes.headers)
    case op.removeHeader:
      return unit === -1 && holds(writes.headers, rest)
    case op.setResponseHeader:
    case op.appendResponseHeader:
      return isWritten(rest, unit, writes.responseHeaders)
    case op.removeResponseHeader:
      return unit === -1 && holds(writes.responseHeaders, rest)
    default:
      return false
  }
}

function isWritten(rest: string, unit: number, names: readonly string[]): boolean {
  if (unit === -1 || !holds(names, rest.slice(0, unit))) return false
  for (let i = unit + 1; i < rest.length; i++) {
    const code = rest.charCodeAt(i)
    if ((code < 0x20 && code !== 0x09) || code > 0x7e) return false
  }
  return true
}

function holds(names: readonly string[], name: string): boolean {
  return names.includes(name) || names.includes(name.toLowerCase())
}
