import { closeSync, openSync, readFileSync } from 'node:fs'
// The global of the same name is a getter.
import { performance } from 'node:perf_hooks'

/** Least time between two reports, ms. */
const interval = 1000

/** The file descriptors of this process: how many it may have, and whether they are used up. */
class Descriptors {
  readonly #watchers = new Set<(limit: number) => void>()
  #limit: number | undefined
  #isCrowded = false
  #reportedAt = Number.NEGATIVE_INFINITY

  /** Most descriptors that the process may have open at a time; node has raised the soft limit to the hard one. */
  get limit(): number {
    this.#limit ??= readLimit()
    return this.#limit
  }

  /** Calls back when the descriptors are used up, at most once a second. @returns ends that */
  watch(watcher: (limit: number) => void): () => void {
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  /**
   * A connection has been accepted. Those that find no free descriptor are closed by libuv without a word: so whether another
   * one is left is tried out, once a descriptor in the upper half has been given out: at each connection, and every second.
   */
  accepted(descriptor: number): void {
    if (!this.#isCrowded && descriptor >= this.limit / 2) {
      this.#isCrowded = true
      setInterval(() => this.#try(), interval).unref()
    }
    if (this.#isCrowded) this.#try()
  }

  #try(): void {
    if (performance.now() - this.#reportedAt < interval) return
    try {
      closeSync(openSync('/', 'r'))
    } catch (error) {
      this.isCauseOf(error as NodeJS.ErrnoException)
    }
  }

  /** Whether an error says that the descriptors, of this process or of the whole system, are used up; reports it. */
  isCauseOf({ code }: { readonly code?: string | undefined }): boolean {
    if (code !== 'EMFILE' && code !== 'ENFILE') return false
    const now = performance.now()
    if (now - this.#reportedAt >= interval) {
      this.#reportedAt = now
      for (const watcher of this.#watchers) watcher(this.limit)
    }
    return true
  }
}

export const descriptors: Descriptors = new Descriptors()

function readLimit(): number {
  try {
    // 1 ms, where the report takes 5.
    const [, soft = ''] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? []
    if (soft !== '') return Number(soft)
  } catch {}
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft: number | string } } }
  return Number(userLimits?.open_files?.soft) || Number.POSITIVE_INFINITY
}
