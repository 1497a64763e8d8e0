import { closeSync, constants, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import type { GuardedCall } from '../sandbox/crossing-guard.ts'
import { type BoardCopy, layout } from './crossing-board.ts'
import { hadRoom } from './process-memory.ts'
import { readRecord } from './read-board.ts'

const idle = new Uint8Array(4)
/** Folders on tmpfs may be writable for all users: a link planted there must not make us truncate another file. */
const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | (constants.O_NOFOLLOW ?? 0)

/**
 * A copy of the board that outlives the process: a small file on tmpfs. One write before each crossing and one after
 * it, some 2 µs each.
 */
export class CrashSlot implements BoardCopy {
  readonly #path: string
  #file: number | undefined
  readonly #onLost: (problem: string) => void

  /** @param onLost called once when the slot cannot be written; from then on crashes have no suspects. */
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

  /** The crossing has returned: sets the number of its calls to 0. */
  clear(): void {
    this.#write(idle, 0, 4, 8)
  }

  /** An orderly end: removes the file, because the supervisor that would remove it may have exited. */
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
      // Otherwise the last crossing in the file would be blamed for any later crash.
      if (file !== undefined) {
        ftruncateSync(file, 0)
        closeSync(file)
      }
    } catch {
      // The first problem is reported below.
    }
    this.#onLost(error instanceof Error ? error.message : String(error))
  }
}

/** The crossing during which a process died. */
export interface LastCrossing {
  /** Empty when it died outside of a crossing. */
  readonly calls: readonly GuardedCall[]
  /** The one call crossed alone, in a process that had room enough: nothing else can have caused the death. */
  readonly alone: boolean
}

/** Without calls when the file does not exist or is not a crash slot. */
export function readCrashSlot(file: string): LastCrossing {
  try {
    const { calls, alone } = readRecord(readFileSync(file))
    return { calls: calls.filter((call) => call !== undefined), alone: alone !== undefined && hadRoom(alone) }
  } catch {
    return { calls: [], alone: false }
  }
}
