import { formatPath, type Path, type Problem, printable } from './problem.ts'
import type { Secrets } from './secrets.ts'
import type { Source } from './source.ts'

interface Entry {
  readonly file: string
  readonly path: Path
  readonly message: string
  readonly line?: number
  readonly column?: number
  readonly step: number
}

/** Collects the problems of all steps of a check: one run reports every mistake, and each only once. */
export class Problems {
  readonly #entries = new Map<string, Entry[]>()
  /** Paths that hold a problem, and all paths above them. */
  readonly #touched = new Set<string>()
  /** Paths whose value is not known, with the references that stand in for it. */
  readonly #standIns = new Map<string, string>()
  /** Such paths in the options of policies, and those above them in the same options. */
  readonly #unknownOptions = new Set<string>()
  readonly #secrets: Secrets
  #step = 0

  constructor(secrets: Secrets) {
    this.#secrets = secrets
  }

  /** From here on, a path at which an earlier step found a problem takes no further ones. */
  nextStep(): void {
    this.#step++
  }

  add(source: Source, path: Path, problem: string): void {
    const key = keyOf(source.file, path)
    if (this.#unknownOptions.has(key)) return
    const reference = this.#standIns.get(key)
    const message = reference === undefined ? problem : `cannot be checked without the value of "${reference}"`
    const position = source.locate(path)
    this.#put({ file: source.file, path, message, ...position, step: this.#step })
  }

  /**
   * The value at this path is not known: a reference stands in for it. In the options of a policy no problem is found
   * there; elsewhere every problem becomes the one that the value is needed.
   *
   * @param options path of the options that the value is in
   */
  standIn(source: Source, path: Path, reference: string, options: Path | undefined): void {
    if (options === undefined) this.#standIns.set(keyOf(source.file, path), reference)
    else {
      for (let { length } = options; length <= path.length; length++) {
        this.#unknownOptions.add(keyOf(source.file, path.slice(0, length)))
      }
    }
  }

  /** A problem that has a position in the text but no path in the data. */
  addAt(file: string, position: { line: number; column: number } | undefined, message: string): void {
    this.#put({ file, path: [], message, ...position, step: this.#step })
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

  /** All of them, in the order of the text. No value of a secret is in them, also of one that was resolved later. */
  get list(): Problem[] {
    const all = [...this.#entries.values()].flat()
    const files = [...new Set(all.map((entry) => entry.file))]
    all.sort(
      (a, b) =>
        files.indexOf(a.file) - files.indexOf(b.file) ||
        (a.line ?? 0) - (b.line ?? 0) ||
        (a.column ?? 0) - (b.column ?? 0),
    )
    return all.map(({ step: _, ...entry }) => ({
      ...entry,
      file: printable(entry.file),
      path: printable(formatPath(entry.path.map((key) => (typeof key === 'string' ? this.#secrets.redact(key) : key)))),
      message: printable(this.#secrets.redact(entry.message)),
    }))
  }

  #put(entry: Entry): void {
    const { file, path, message, line, step } = entry
    const key = keyOf(file, path)
    const known = this.#entries.get(key) ?? []
    if (known.some((other) => other.message === message && other.line === line)) return
    if (path.length > 0 && known.some((other) => other.step < step)) return
    this.#entries.set(key, [...known, entry])
    for (let length = 0; length <= path.length; length++) this.#touched.add(keyOf(file, path.slice(0, length)))
  }
}

function keyOf(file: string, path: Path): string {
  return JSON.stringify([file, ...path])
}
