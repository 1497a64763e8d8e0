import { closeSync, constants, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import type { GuardedCall } from '../sandbox/crossing-guard.ts'
import { type BoardCopy, layout } from './crossing-board.ts'
import { readBoard } from './read-board.ts'

const idle = new Uint8Array(4)
/** Folders on tmpfs are everybody's: a link that somebody put there must not lead to a file that is emptied. */
const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | (constants.O_NOFOLLOW ?? 0)

/**
 * A copy of the board that is still there when the process is not: a small file on tmpfs. One write before a crossing and
 * one after it, some 2 µs each.
 */
export class CrashSlot implements BoardCopy {
  readonly #path: string
  #file: number | undefined
  readonly #onLost: (problem: string) => void

  /** @param onLost the slot cannot be written; called once, and from then on crashes have no suspects. */
  constructor(path: string, onLost: (problem: string) => void) {
    this.#path = path
    this.#onLost = onLost
    try {
      this.#file = openSync(path, flags, 0o600)
    } catch (error) {
      this.#lose(error)
    }
  }

  record(bytes: Uint8Array, length: number): void {
    this.#write(bytes, 0, length, 0)
  }

  text(bytes: Uint8Array, from: number, to: number): void {
    this.#write(bytes, from, to - from, from)
  }

  dropTexts(): void {
    try {
      if (this.#file !== undefined) ftruncateSync(this.#file, layout.record)
    } catch (error) {
      this.#lose(error)
    }
  }

  /** The crossing has returned: the number of its calls becomes 0. */
  clear(): void {
    this.#write(idle, 0, 4, 8)
  }

  /** In order, so that there is nothing to read in it: it goes, for whoever comes after may be gone already. */
  close(): void {
    const file = this.#file
    this.#file = undefined
    if (file === undefined) return
    closeSync(file)
    rmSync(this.#path, { force: true })
  }

  #write(bytes: Uint8Array, offset: number, length: number, position: number): void {
    const file = this.#file
    if (file === undefined) return
    try {
      writeSync(file, bytes, offset, length, position)
    } catch (error) {
      this.#lose(error)
    }
  }

  #lose(error: unknown): void {
    const file = this.#file
    this.#file = undefined
    try {
      // Otherwise the last crossing that it shows would be blamed for whatever comes.
      if (file !== undefined) {
        ftruncateSync(file, 0)
        closeSync(file)
      }
    } catch {
      // The first problem is the one to tell.
    }
    this.#onLost(error instanceof Error ? error.message : String(error))
  }
}

/**
 * The calls of the crossing during which a process died; empty when it died outside of one, when the file is not there,
 * and when it holds anything else.
 */
export function readCrashSlot(file: string): GuardedCall[] {
  try {
    return readBoard(readFileSync(file)).filter((call) => call !== undefined)
  } catch {
    return []
  }
}
