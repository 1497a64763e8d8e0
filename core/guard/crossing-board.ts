import type { GuardedCall, ProcessSize } from '../sandbox/crossing-guard.ts'

interface Layout {
  /**
   * Bytes of the record: enough for 6,000 calls with identifiers of usual length. Calls that do not fit are left out.
   */
  readonly record: number
  /** Bytes in total. */
  readonly size: number
  /** Bytes before the first call. */
  readonly header: number
  /** Most bytes of a flow's identifier; longer ones are truncated. */
  readonly flow: number
  /** The first word: identifies a board. */
  readonly mark: number
  /** Text number of a text that did not fit. */
  readonly noText: number
  /** Length that stands for the same flow as the call before. */
  readonly same: number
}

/**
 * Format of the board, which names the calls of the crossing that runs. The bytes are in shared memory for the
 * watchdog, and at the same offsets in the crash slot. Two parts: the record of the crossing, and the texts it refers
 * to.
 *
 *     record  mark u32 · number u32 · calls u32 (0: none runs) · length u32 · alone u32 (0 or 1) · resident u32 ·
 *             virtual u32 · calls · number u32, aligned
 *     call    text u16 · length of the flow u8 · flow; a length of 255: the flow of the call before it
 *     texts   one line each: JSON of [hash, plugin, policy, hook]
 */
export const layout: Layout = {
  record: 262_144,
  size: 262_144 + 1_048_576,
  header: 28,
  flow: 64,
  mark: 0x3254_5350,
  noText: 0xffff,
  same: 0xff,
}

/** Keeps a copy of the board. `length`: bytes from the beginning. */
export interface BoardCopy {
  record(bytes: Uint8Array, length: number): void
  text(bytes: Uint8Array, from: number, to: number): void
  /** All texts are dropped; new ones are written from the beginning. */
  dropTexts(): void
}

/** The writing side of the board, for the thread that makes the crossings. */
export class CrossingBoard {
  readonly #bytes: Buffer
  readonly #words: Uint32Array
  readonly #copy: BoardCopy | undefined
  /** Text numbers by hash, policy and hook: three look-ups cost less than joining the three strings. */
  #texts: Texts = new Map()
  #count = 0
  #end = layout.record

  constructor(memory: SharedArrayBuffer, copy: BoardCopy | undefined) {
    this.#bytes = Buffer.from(memory)
    this.#words = new Uint32Array(memory, 0, layout.record / 4)
    this.#words[0] = layout.mark
    this.#copy = copy
  }

  /**
   * @param alone the growth of the process, as in `CrossingConditions`, when its one call crosses alone. Default: it
   *   does not.
   */
  post(number: number, calls: readonly GuardedCall[], alone?: ProcessSize): void {
    const bytes = this.#bytes
    const words = this.#words
    // Reloads bring new hashes as long as the process runs. Texts are dropped here, never in the middle of a record.
    if (this.#end > layout.size - layout.size / 8 || this.#count > layout.noText / 2) this.#dropTexts()
    let at = layout.header
    let count = 0
    let flow: string | undefined
    for (const call of calls) {
      if (at > layout.record - layout.flow - 11) break
      const text = this.#texts.get(call.hash)?.get(call.policy)?.get(call.hook) ?? this.#add(call)
      bytes[at] = text
      bytes[at + 1] = text >> 8
      // Several policies usually cross for one request, and its identifier is most of what is written.
      if (call.flow === flow) {
        bytes[at + 2] = layout.same
        at += 3
      } else {
        flow = call.flow
        const length = this.#write(flow, at + 3)
        bytes[at + 2] = length
        at += 3 + length
      }
      count++
    }
    words[1] = number
    words[2] = count
    words[3] = at - layout.header
    words[4] = alone === undefined ? 0 : 1
    words[5] = Math.max(0, alone?.resident ?? 0)
    words[6] = Math.max(0, alone?.virtual ?? 0)
    // Missing in a copy that the end of the process cut short: in that case no call has run yet.
    const end = (at + 3) >> 2
    words[end] = number
    this.#copy?.record(bytes, end * 4 + 4)
  }

  /** ASCII is written by hand: 30 ns, where a call of `write` takes 150. */
  #write(text: string, at: number): number {
    const bytes = this.#bytes
    const { length } = text
    if (length > layout.flow) return bytes.write(text, at, layout.flow)
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0x7f) return bytes.write(text, at, layout.flow)
      bytes[at + i] = code
    }
    return length
  }

  #add({ hash, plugin, policy, hook }: GuardedCall): number {
    const line = Buffer.from(`${JSON.stringify([hash, plugin, policy, hook])}\n`)
    const from = this.#end
    if (from + line.length > layout.size || this.#count >= layout.noText) return layout.noText
    this.#end = from + line.copy(this.#bytes, from)
    inner(inner(this.#texts, hash), policy).set(hook, this.#count)
    this.#copy?.text(this.#bytes, from, this.#end)
    return this.#count++
  }

  #dropTexts(): void {
    this.#bytes.fill(0, layout.record, this.#end)
    this.#texts = new Map()
    this.#count = 0
    this.#end = layout.record
    this.#copy?.dropTexts()
  }
}

type Texts = Map<string, Map<string, Map<string, number>>>

function inner<V>(map: Map<string, Map<string, V>>, key: string): Map<string, V> {
  let value = map.get(key)
  if (value === undefined) {
    value = new Map()
    map.set(key, value)
  }
  return value
}
