import type { GuardedCall, ProcessSize } from '../sandbox/crossing-guard.ts'
import { layout } from './crossing-board.ts'

/** What a board says about the crossing. */
export interface BoardRecord {
  /** By index; `undefined` stands for a call without a readable name. Empty when no crossing ran. */
  readonly calls: readonly (GuardedCall | undefined)[]
  /** Unexplained growth of the process, when the one call crossed alone; otherwise `undefined`. */
  readonly alone: ProcessSize | undefined
}

/** The calls of the crossing on a board, by index. */
export function readBoard(bytes: Uint8Array): readonly (GuardedCall | undefined)[] {
  return readRecord(bytes).calls
}

const nothing: BoardRecord = { calls: [], alone: undefined }

/** Without calls when the bytes are not a board: a crash slot is read after the process that wrote it died. */
export function readRecord(bytes: Uint8Array): BoardRecord {
  const view = Buffer.from(bytes)
  if (view.length < layout.header + 4 || view.readUInt32LE(0) !== layout.mark) return nothing
  const number = view.readUInt32LE(4)
  const count = view.readUInt32LE(8)
  const length = view.readUInt32LE(12)
  const end = layout.header + length
  const seal = Math.ceil(end / 4) * 4
  if (count === 0 || seal > Math.min(view.length, layout.record) - 4 || view.readUInt32LE(seal) !== number)
    return nothing
  const texts = readTexts(view)
  const calls: (GuardedCall | undefined)[] = []
  let at = layout.header
  let flow = ''
  while (calls.length < count && at + 3 <= end) {
    const from = at + 3
    const text = texts[view.readUInt16LE(at)]
    const length = view[at + 2]!
    at = length === layout.same ? from : from + length
    if (at > end) break
    if (length !== layout.same) flow = view.toString('utf8', from, at)
    calls.push(text && { ...text, flow })
  }
  const alone = view.readUInt32LE(16) === 1
  return {
    calls,
    alone: alone ? { resident: view.readUInt32LE(20), virtual: view.readUInt32LE(24) } : undefined,
  }
}

function readTexts(view: Buffer): (Omit<GuardedCall, 'flow'> | undefined)[] {
  const lines = view.toString('utf8', layout.record, layout.size)
  return lines
    .slice(0, lines.lastIndexOf('\n') + 1)
    .split('\n')
    .map(readText)
}

function readText(line: string): Omit<GuardedCall, 'flow'> | undefined {
  try {
    const text: unknown = JSON.parse(line)
    if (!Array.isArray(text) || text.length !== 4 || !text.every((part) => typeof part === 'string')) return undefined
    const [hash, plugin, policy, hook] = text as [string, string, string, string]
    return { hash, plugin, policy, hook }
  } catch {
    return undefined
  }
}
