import type { Path } from './problem.ts'

export interface Position {
  readonly line: number
  readonly column: number
}

/** A JSON text, read strictly (RFC 8259) but for what `JSON.parse` cannot tell: places and keys that are there twice. */
export interface JsonDocument {
  /** The data, as `JSON.parse` gives it; `undefined` when the text is not JSON. */
  readonly value: unknown
  readonly faults: readonly JsonFault[]
  /** Where the value at the path begins, or the key of it; the nearest thing above when there is no such path. */
  locate(path: Path): Position
}

export interface JsonFault extends Position {
  readonly message: string
}

/** Deeper than any configuration; recursion further on relies on it. */
const deepest = 100

/** Own property whatever the name: `__proto__` in a file is a key like any other. */
export function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
  else object[key] = value
}

/**
 * Reads JSON. Why not the `yaml` package, which tells the same: it takes seconds for a file of 10,000 routes, and the
 * gateway reads its file while it serves.
 */
export function parseJson(text: string): JsonDocument {
  return new Reader(text)
}

class Stop extends Error {}

class Reader implements JsonDocument {
  readonly value: unknown
  readonly faults: JsonFault[] = []
  readonly #text: string
  readonly #places = new Map<object, Map<string | number, number>>()
  #lines: number[] | undefined
  #at = 0

  constructor(text: string) {
    this.#text = text
    if (text.charCodeAt(0) === 0xfeff) this.#at = 1
    try {
      this.#space()
      if (this.#at === text.length) this.#stop('the file is empty; the least it can hold is {}')
      const value = this.#read(0)
      this.#space()
      if (this.#at < text.length) this.#stop('there is something after the end of the JSON value')
      this.value = value
    } catch (error) {
      if (!(error instanceof Stop)) throw error
    }
  }

  locate(path: Path): Position {
    let at = 0
    let value = this.value
    for (const key of path) {
      const place = typeof value === 'object' && value !== null ? this.#places.get(value)?.get(key) : undefined
      if (place === undefined) break
      at = place
      value = (value as Record<string | number, unknown>)[key]
    }
    return this.#position(at)
  }

  #read(depth: number): unknown {
    if (depth > deepest) this.#stop(`more than ${deepest} levels deep`)
    const c = this.#text[this.#at]
    if (c === '{') return this.#object(depth)
    if (c === '[') return this.#list(depth)
    if (c === '"') return this.#string()
    return this.#word()
  }

  #object(depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = {}
    const places = new Map<string | number, number>()
    this.#places.set(object, places)
    this.#open('}', () => {
      const at = this.#at
      if (this.#text[at] !== '"')
        this.#stop(at === this.#text.length ? ended : `expected a key in double quotes${this.#hint()}`)
      const key = this.#string()
      const first = places.get(key)
      if (first !== undefined) {
        const message = `the key ${JSON.stringify(key)} is there twice, first in line ${this.#position(first).line}; keep one`
        this.faults.push({ message, ...this.#position(at) })
      }
      places.set(key, at)
      this.#space()
      if (this.#text[this.#at] !== ':') this.#stop(`expected ":" after the key ${JSON.stringify(key)}`)
      this.#at++
      this.#space()
      setOwn(object, key, this.#read(depth + 1))
    })
    return object
  }

  #list(depth: number): unknown[] {
    const list: unknown[] = []
    const places = new Map<string | number, number>()
    this.#places.set(list, places)
    this.#open(']', () => {
      places.set(list.length, this.#at)
      list.push(this.#read(depth + 1))
    })
    return list
  }

  /** From an opening bracket to the one that closes it, commas between the items. */
  #open(close: string, item: () => void): void {
    this.#at++
    this.#space()
    if (this.#text[this.#at] === close) {
      this.#at++
      return
    }
    for (;;) {
      item()
      this.#space()
      const c = this.#text[this.#at]
      if (c !== ',' && c !== close) this.#stop(c === undefined ? ended : `expected "," or "${close}"${this.#hint()}`)
      this.#at++
      if (c === close) return
      const comma = this.#at - 1
      this.#space()
      if (this.#text[this.#at] === close) {
        this.#at = comma
        this.#stop(`a comma stands before "${close}"; remove it`)
      }
    }
  }

  #string(): string {
    const text = this.#text
    const from = this.#at
    let at = from + 1
    let escaped = false
    for (; text[at] !== '"'; at++) {
      const code = text.charCodeAt(at)
      if (code === 0x5c) {
        escaped = true
        at++
      } else if (Number.isNaN(code) || code < 0x20) {
        this.#stop('the text is not closed with a double quote in its line; write a line break as \\n')
      }
    }
    this.#at = at + 1
    if (!escaped) return text.slice(from + 1, at)
    try {
      return JSON.parse(text.slice(from, at + 1)) as string
    } catch {
      this.#at = from
      this.#stop('the text holds a bad escape; write a backslash as \\\\')
    }
  }

  #word(): unknown {
    word.lastIndex = this.#at
    const found = word.exec(this.#text)?.[0]
    if (found === undefined) {
      this.#stop(this.#at === this.#text.length ? ended : `expected a value${this.#hint()}`)
    }
    this.#at += found.length
    return JSON.parse(found)
  }

  #space(): void {
    const text = this.#text
    for (;;) {
      const c = text.charCodeAt(this.#at)
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return
      this.#at++
    }
  }

  #hint(): string {
    const c = this.#text[this.#at]
    if (c === '/' || c === '#') return '; JSON has no comments, "description" takes such text'
    return c === "'" ? '; JSON knows double quotes only' : ''
  }

  #stop(message: string): never {
    this.faults.push({ message: `not valid JSON: ${message}`, ...this.#position(this.#at) })
    throw new Stop(message)
  }

  #position(at: number): Position {
    this.#lines ??= lineStarts(this.#text)
    const starts = this.#lines
    let low = 0
    for (let high = starts.length; high - low > 1; ) {
      const middle = (low + high) >> 1
      if (starts[middle]! <= at) low = middle
      else high = middle
    }
    return { line: low + 1, column: at - starts[low]! + 1 }
  }
}

function lineStarts(text: string): number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}

const ended = 'the file ends too early: a bracket is not closed'
const word = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y
