import { formatPath, type Path, type Problem } from './problem.ts'
import type { Secrets } from './secrets.ts'
import type { Source } from './source.ts'

interface Entry {
  readonly problem: Problem
  readonly step: number
}

/** Collects what is wrong, step by step, so that one run tells all of it and nothing twice. */
export class Problems {
  readonly #entries = new Map<string, Entry[]>()
  /** Paths that hold a problem, and all paths above them. */
  readonly #touched = new Set<string>()
  readonly #secrets: Secrets
  #step = 0

  constructor(secrets: Secrets) {
    this.#secrets = secrets
  }

  /** From here on, a place that an earlier step complained about is left alone. */
  nextStep(): void {
    this.#step++
  }

  add(source: Source, path: Path, message: string): void {
    const position = source.locate(path)
    this.#put(source.file, path, { message, ...position })
  }

  /** A problem that has a place in the text but none in the data. */
  addAt(file: string, place: { line: number; column: number } | undefined, message: string): void {
    this.#put(file, [], { message, ...place })
  }

  /** True when there is a problem at the path or below it. */
  touches(source: Source, path: Path): boolean {
    return this.#touched.has(keyOf(source.file, path))
  }

  get count(): number {
    let count = 0
    for (const entries of this.#entries.values()) count += entries.length
    return count
  }

  /** All of them, in the order of the text. */
  get list(): Problem[] {
    const all = [...this.#entries.values()].flat().map((entry) => entry.problem)
    const files = [...new Set(all.map((problem) => problem.file))]
    return all.sort(
      (a, b) =>
        files.indexOf(a.file) - files.indexOf(b.file) ||
        (a.line ?? 0) - (b.line ?? 0) ||
        (a.column ?? 0) - (b.column ?? 0),
    )
  }

  #hide(key: string | number): string | number {
    return typeof key === 'string' ? this.#secrets.redact(key) : key
  }

  #put(file: string, path: Path, rest: Omit<Problem, 'file' | 'path'>): void {
    const message = this.#secrets.redact(rest.message).replace(/\s*[\r\n]+\s*/g, ' ')
    const problem: Problem = { ...rest, file, path: formatPath(path.map((key) => this.#hide(key))), message }
    const key = keyOf(file, path)
    const there = this.#entries.get(key) ?? []
    const known = there.some((entry) => entry.problem.message === message && entry.problem.line === problem.line)
    if (known || (path.length > 0 && there.some((entry) => entry.step < this.#step))) return
    this.#entries.set(key, [...there, { problem, step: this.#step }])
    for (let length = 0; length <= path.length; length++) this.#touched.add(keyOf(file, path.slice(0, length)))
  }
}

function keyOf(file: string, path: Path): string {
  return JSON.stringify([file, ...path])
}
