import { printParseErrorCode, visit } from 'jsonc-parser'
import type { Path } from './problem.ts'

export interface Position {
  readonly line: number
  readonly column: number
}

/** A JSON text, read strictly (RFC 8259), with what `JSON.parse` does not report: positions and duplicate keys. */
export interface JsonDocument {
  /** The data from `JSON.parse`; `undefined` when the text is not JSON. */
  readonly value: unknown
  readonly faults: readonly JsonFault[]
  /** Where the key or the value at the path begins; the nearest parent when the path does not exist. */
  locate(path: Path): Position
  /** The keys of the object at the path, in the order written; in the data, keys such as `"2"` come first. */
  keysOf(path: Path): readonly string[]
}

export interface JsonFault extends Position {
  readonly message: string
}

/** Deeper than any configuration; later recursion relies on this limit. */
const deepest = 100

/** Reads JSON. `JSON.parse` decides what is valid; positions and readable messages are added here. */
export function parseJson(text: string): JsonDocument {
  // A byte order mark is not part of the text, and editors do not count it as a column.
  const plain = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
  const positions = new Positions(plain)
  const locate = (path: Path): Position => positions.locate(path)
  const keysOf = (path: Path): readonly string[] => positions.keysOf(path)
  let value: unknown
  let { refusal } = positions
  try {
    value = JSON.parse(plain)
  } catch (error) {
    const message = `not valid JSON: ${error instanceof Error ? error.message : String(error)}`
    refusal ??= { message, line: 1, column: 1 }
  }
  if (refusal === undefined) return { value, faults: positions.twice, locate, keysOf }
  return { value: undefined, faults: [...positions.twice, refusal], locate, keysOf }
}

interface Node extends Position {
  readonly close: '}' | ']' | undefined
  /** Members by key or index; a duplicate key has its last value, as in the data. */
  readonly inside: Map<string | number, Node>
}

class Stop extends Error {}

/** Walks a text once, up to the first fault. */
class Positions {
  readonly twice: JsonFault[] = []
  refusal: JsonFault | undefined
  readonly #text: string
  readonly #root: Node = { line: 1, column: 1, close: undefined, inside: new Map() }
  readonly #open: Node[] = [this.#root]
  /** Key of the next value; `undefined` in a list. */
  #key: string | undefined
  #keyPosition: Position | undefined
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
    let node = this.#root.inside.get(0) ?? this.#root
    for (const key of path) {
      const next = node.inside.get(key)
      if (next === undefined) break
      node = next
    }
    return { line: node.line, column: node.column }
  }

  keysOf(path: Path): readonly string[] {
    let node = this.#root.inside.get(0)
    for (const key of path) node = node?.inside.get(key)
    return node?.close === '}' ? ([...node.inside.keys()] as string[]) : []
  }

  get #top(): Node {
    return this.#open.at(-1)!
  }

  #property(key: string, line: number, column: number): void {
    const first = this.#top.inside.get(key)
    if (first !== undefined) {
      const message = `the key ${JSON.stringify(key)} is used twice, first in line ${first.line}, column ${first.column}; keep one`
      this.twice.push({ message, line: line + 1, column: column + 1 })
    }
    this.#key = key
    this.#keyPosition = { line: line + 1, column: column + 1 }
    this.#expected = `":" after the key ${JSON.stringify(key)}`
  }

  #value(line: number, column: number, close: Node['close']): Node {
    const at = this.#keyPosition ?? { line: line + 1, column: column + 1 }
    const node: Node = { ...at, close, inside: new Map() }
    this.#top.inside.set(this.#key ?? this.#top.inside.size, node)
    this.#key = undefined
    this.#keyPosition = undefined
    return node
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
        ? this.#stop('the file is empty; the shortest valid file is {}', 0, 0)
        : this.#stop('the file ends before all brackets are closed', line, column)
    }
    if (c === this.#top.close && comma !== undefined && this.#text.slice(comma.offset + 1, offset).trim() === '') {
      return this.#stop(`there is a comma before "${c}"; remove it`, comma.line - 1, comma.column - 1)
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
  if (character === '/' || character === '#') return '; JSON has no comments; put such text into "description"'
  return character === "'" ? '; JSON allows only double quotes' : ''
}

const badEscape = 'the text contains an invalid escape; write a backslash as \\\\'

/** Messages for the parser's error codes that tell more than the expected token. */
const words: Readonly<Record<string, string>> = {
  EndOfFileExpected: 'there is text after the end of the JSON value',
  InvalidCharacter: 'the text contains a control character; write a tab as \\t',
  InvalidEscapeCharacter: badEscape,
  InvalidUnicode: badEscape,
  UnexpectedEndOfNumber: 'the number is not complete',
  UnexpectedEndOfString: 'the text has no closing double quote on its line; write a line break as \\n',
}
