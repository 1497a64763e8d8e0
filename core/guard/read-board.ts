import type { GuardedCall } from '../sandbox/crossing-guard.ts'
import { layout } from './crossing-board.ts'

/**
 * The calls of the crossing on a board, by index; `undefined` stands for a call without a readable name. Empty when no
 * crossing ran, and when the bytes are not a board: a crash slot is read after the process that wrote it died.
 */
export function readBoard(bytes: Uint8Array): (GuardedCall | undefined)[] {
  const view = Buffer.from(bytes)
  if (view.length < layout.header + 4 || view.readUInt32LE(0) !== layout.mark) return []
  const number = view.readUInt32LE(4)
  const count = view.readUInt32LE(8)
  const length = view.readUInt32LE(12)
  const end = layout.header + length
  const seal = Math.ceil(end / 4) * 4
  if (count === 0 || seal > Math.min(view.length, layout.record) - 4 || view.readUInt32LE(seal) !== number) return []
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
  return calls
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
