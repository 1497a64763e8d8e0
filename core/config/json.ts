import { printParseErrorCode, visit } from 'jsonc-parser'
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

/** Reads JSON. `JSON.parse` decides what is JSON; positions, and the words for what is not, are added here. */
export function parseJson(text: string): JsonDocument {
  // A byte order mark is not part of the text, nor does an editor count it as a column.
  const plain = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
  const places = new Places(plain)
  const locate = (path: Path): Position => places.locate(path)
  let value: unknown
  let { refusal } = places
  try {
    value = JSON.parse(plain)
  } catch (error) {
    const message = `not valid JSON: ${error instanceof Error ? error.message : String(error)}`
    refusal ??= { message, line: 1, column: 1 }
  }
  if (refusal === undefined) return { value, faults: places.twice, locate }
  return { value: undefined, faults: [...places.twice, refusal], locate }
}

interface Place extends Position {
  readonly close: '}' | ']' | undefined
  /** What is inside, by key or index; a key that is there twice leads to its last value, as it does in the data. */
  readonly inside: Map<string | number, Place>
}

class Stop extends Error {}

/** Walks a text once, up to the first thing that JSON does not allow. */
class Places {
  readonly twice: JsonFault[] = []
  refusal: JsonFault | undefined
  readonly #text: string
  readonly #root: Place = { line: 1, column: 1, close: undefined, inside: new Map() }
  readonly #open: Place[] = [this.#root]
  /** Key of the value that comes next; lists number theirs. */
  #key: string | undefined
  #keyPlace: Position | undefined
  #comma: (Position & { offset: number }) | undefined
  #expected = 'a value'

  constructor(text: string) {
    this.#text = text
    const begin =
      (close: '}' | ']', expected: string) => (_offset: number, _length: number, line: number, column: number) => {
        this.#open.push(this.#value(line, column, close))
        if (this.#open.length > deepest + 2) this.#stop(`more than ${deepest} levels deep`, line, column)
        this.#expected = expected
      }
    const end = (): void => {
      this.#open.pop()
      this.#expectMore()
    }
    try {
      visit(
        text,
        {
          onObjectBegin: begin('}', 'a key in double quotes'),
          onArrayBegin: begin(']', 'a value'),
          onObjectEnd: end,
          onArrayEnd: end,
          onObjectProperty: (key, _offset, _length, line, column) => this.#property(key, line, column),
          onLiteralValue: (_value, _offset, _length, line, column) => {
            this.#value(line, column, undefined)
            this.#expectMore()
          },
          onSeparator: (character, offset, _length, line, column) => {
            this.#expected = character === ',' && this.#top.close === '}' ? 'a key in double quotes' : 'a value'
            if (character === ',') this.#comma = { offset, line: line + 1, column: column + 1 }
          },
          onError: (code, offset, _length, line, column) =>
            this.#error(printParseErrorCode(code), offset, line, column),
        },
        { disallowComments: true },
      )
    } catch (error) {
      if (!(error instanceof Stop)) throw error
    }
  }

  locate(path: Path): Position {
    let place = this.#root.inside.get(0) ?? this.#root
    for (const key of path) {
      const next = place.inside.get(key)
      if (next === undefined) break
      place = next
    }
    return { line: place.line, column: place.column }
  }

  get #top(): Place {
    return this.#open.at(-1)!
  }

  #property(key: string, line: number, column: number): void {
    const first = this.#top.inside.get(key)
    if (first !== undefined) {
      const message = `the key ${JSON.stringify(key)} is there twice, first in line ${first.line}, column ${first.column}; keep one`
      this.twice.push({ message, line: line + 1, column: column + 1 })
    }
    this.#key = key
    this.#keyPlace = { line: line + 1, column: column + 1 }
    this.#expected = `":" after the key ${JSON.stringify(key)}`
  }

  #value(line: number, column: number, close: Place['close']): Place {
    const at = this.#keyPlace ?? { line: line + 1, column: column + 1 }
    const place: Place = { ...at, close, inside: new Map() }
    this.#top.inside.set(this.#key ?? this.#top.inside.size, place)
    this.#key = undefined
    this.#keyPlace = undefined
    return place
  }

  #expectMore(): void {
    const { close } = this.#top
    this.#expected = close === undefined ? 'nothing more' : `"," or "${close}"`
  }

  #error(code: string, offset: number, line: number, column: number): never {
    const c = this.#text[offset]
    const comma = this.#comma
    const known = words[code]
    if (known !== undefined) return this.#stop(known, line, column)
    if (c === undefined) {
      const blank = this.#root.inside.size === 0
      return blank
        ? this.#stop('the file is empty; the least it can hold is {}', 0, 0)
        : this.#stop('the file ends too early: a bracket is not closed', line, column)
    }
    if (c === this.#top.close && comma !== undefined && this.#text.slice(comma.offset + 1, offset).trim() === '') {
      return this.#stop(`a comma stands before "${c}"; remove it`, comma.line - 1, comma.column - 1)
    }
    return this.#stop(`expected ${this.#expected}${hintFor(c)}`, line, column)
  }

  /** @param line from 0, as @param column */
  #stop(message: string, line: number, column: number): never {
    this.refusal = { message: `not valid JSON: ${message}`, line: line + 1, column: column + 1 }
    throw new Stop(message)
  }
}

function hintFor(character: string): string {
  if (character === '/' || character === '#') return '; JSON has no comments, "description" takes such text'
  return character === "'" ? '; JSON knows double quotes only' : ''
}

const badEscape = 'the text holds a bad escape; write a backslash as \\\\'

/** What the library knows better than what would have been expected. */
const words: Readonly<Record<string, string>> = {
  EndOfFileExpected: 'there is something after the end of the JSON value',
  InvalidCharacter: 'the text holds a control character; write a tab as \\t',
  InvalidEscapeCharacter: badEscape,
  InvalidUnicode: badEscape,
  UnexpectedEndOfNumber: 'the number is not complete',
  UnexpectedEndOfString: 'the text is not closed with a double quote in its line; write a line break as \\n',
}
