import { setOwn } from './untyped.ts'

/** What a reference resolved to. */
export interface Secret {
  readonly value: string
  /** As written in the configuration, and printed instead of the value: `${env:NAME}`. */
  readonly reference: string
}

/** Shorter secrets are replaced only as a whole text or a whole quoted text: a secret `a` must not shred every message. */
const shortest = 4

/** A text may be truncated in the middle of a secret: this many leading characters at its end are enough to match. */
const cut = 8
/** The same before a closing quote, where a word of a message may be the start of a secret by chance. */
const cutInQuotes = 16

/**
 * Replaces secrets by their references in everything that is printed or logged. A secret is found in any letter case,
 * and as JSON writes it, however often it was quoted: `"` as `\"` or `\\\"`, a line break as `\n` or `\u000a`.
 */
export class Secrets {
  readonly #secrets = new Map<string, Secret>()
  #index: Index | undefined

  constructor(secrets: Iterable<Secret> = []) {
    for (const { value, reference } of secrets) this.add(value, reference)
  }

  add(value: string, reference: string): void {
    if (value === '' || this.#secrets.has(value)) return
    this.#secrets.set(value, { value, reference })
    this.#index = undefined
  }

  /** Plain data, which `new Secrets` takes in another process. */
  get list(): readonly Secret[] {
    return [...this.#secrets.values()]
  }

  redact(text: string): string {
    if (this.#secrets.size === 0) return text
    this.#index ??= indexOf(this.list)
    const { starts, byFirst, references } = this.#index
    let safe = ''
    let copied = 0
    starts.lastIndex = 0
    for (let hit = starts.exec(text); hit !== null; hit = starts.exec(text)) {
      const found = find(text, hit.index, byFirst)
      if (found !== undefined) {
        // Secrets that overlap disappear as one.
        if (found.start >= copied) safe += text.slice(copied, found.start) + found.reference
        copied = Math.max(copied, found.end)
      } else if (hit[0] === '$') {
        // A reference that is already in the text stays, whatever its name is.
        const end = text.indexOf('}', hit.index) + 1
        if (references.has(text.slice(hit.index, end))) starts.lastIndex = end
      }
    }
    return copied === 0 ? text : safe + text.slice(copied)
  }

  /** Redacts every text in plain data, in lists and objects at any depth; keys stay as they are. */
  redactValues<T>(data: T): T {
    return this.#secrets.size === 0 ? data : (this.#copy(data, (key) => key) as T)
  }

  /** Redacts keys too: for data whose keys a plugin made up. */
  redactAll<T>(data: T): T {
    return this.#secrets.size === 0 ? data : (this.#copy(data, (key) => this.redact(key)) as T)
  }

  #copy(data: unknown, rename: (key: string) => string): unknown {
    if (typeof data === 'string') return this.redact(data)
    if (typeof data !== 'object' || data === null) return data
    if (Array.isArray(data)) return data.map((item) => this.#copy(item, rename))
    const { toJSON } = data as { toJSON?: unknown }
    if (typeof toJSON === 'function') return this.#copy(toJSON.call(data), rename)
    const copy: Record<string, unknown> = {}
    for (const [key, item] of Object.entries(data)) setOwn(copy, rename(key), this.#copy(item, rename))
    return copy
  }
}

/** Built once per configuration. */
interface Index {
  /** Every character that a secret can begin with, the backslash of an escape, and the `$` of references. */
  readonly starts: RegExp
  /** By their first character after any backslashes, the longest first. */
  readonly byFirst: ReadonlyMap<string, readonly Secret[]>
  readonly references: ReadonlySet<string>
}

interface Found {
  readonly start: number
  readonly end: number
  readonly reference: string
}

function indexOf(secrets: readonly Secret[]): Index {
  const longestFirst = secrets.toSorted((a, b) => b.value.length - a.value.length)
  const byFirst = Map.groupBy(longestFirst, ({ value }) => fold(read(value, 0).character))
  const firsts = [...byFirst.keys()].map((character) => RegExp.escape(character)).join('')
  return {
    starts: new RegExp(`[\\\\$${firsts}]`, 'gi'),
    byFirst,
    references: new Set(secrets.map(({ reference }) => reference)),
  }
}

/** The longest secret that begins at a position. */
function find(text: string, at: number, byFirst: Index['byFirst']): Found | undefined {
  const { end, character, meant } = read(text, at)
  let longest: Found | undefined
  // A secret of backslashes alone has no first character.
  for (const first of new Set([character, meant?.character ?? '', ''].map(fold))) {
    for (const { value, reference } of byFirst.get(first) ?? []) {
      const matched = match(text, at, value)
      if (matched === undefined || (longest !== undefined && matched <= longest.end)) continue
      // Backslashes before a letter are not its escape, and stay.
      const start = value[0] === character && /[^"/\\]/.test(character) ? end : at
      if (value.length < shortest && !isWhole(text, start, matched)) continue
      longest = { start, end: matched, reference }
    }
  }
  return longest
}

/** Where a secret ends that begins at a position, or is cut off; `undefined` when it does not begin there. */
function match(text: string, at: number, value: string): number | undefined {
  let end = at
  let matched = 0
  for (let i = 0; i < value.length; matched++) {
    const want = read(value, i)
    const next = read(text, end)
    const fits = next.end - end >= want.end - i
    i = want.end + 1
    if (fits && want.character === '') return next.end
    if (fits && fold(next.character) === fold(want.character)) end = next.end + 1
    else if (fits && next.meant !== undefined && fold(next.meant.character) === fold(want.character))
      end = next.meant.end
    else return value.length < shortest ? undefined : cutAt(text, next.end, matched)
  }
  return end
}

interface Unit {
  /** Where the backslashes before the character end. Quoting only ever adds some. */
  readonly end: number
  /** '' at the end of the text. */
  readonly character: string
  /** What the character means when the backslash before it is an escape, and where the escape ends. */
  readonly meant: { readonly character: string; readonly end: number } | undefined
}

function read(text: string, at: number): Unit {
  let end = at
  while (text[end] === '\\') end++
  const character = text[end] ?? ''
  if (end === at) return { end, character, meant: undefined }
  const hex = character === 'u' ? /^[0-9a-f]{4}/i.exec(text.slice(end + 1, end + 5))?.[0] : undefined
  if (hex !== undefined)
    return { end, character, meant: { character: String.fromCharCode(Number.parseInt(hex, 16)), end: end + 5 } }
  const control = controls.get(character)
  return { end, character, meant: control === undefined ? undefined : { character: control, end: end + 1 } }
}

const controls: ReadonlyMap<string, string> = new Map([
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])

/** The end of a text that was truncated there, perhaps in the middle of an escape or of a surrogate pair. */
function cutAt(text: string, at: number, matched: number): number | undefined {
  const [rest, stop = ''] = /^(?:u[0-9a-f]{0,3})?\ufffd?($|["…])/i.exec(text.slice(at, at + 6)) ?? []
  if (rest === undefined || matched < (stop === '"' ? cutInQuotes : cut)) return undefined
  return at + rest.length - stop.length
}

function isWhole(text: string, start: number, end: number): boolean {
  if (start === 0 && end === text.length) return true
  return text[start - 1] === '"' && /^\\*"/.test(text.slice(end))
}

/**
 * One UTF-16 unit in the letter case that texts are compared in, as the flag `i` of regular expressions does it: no other
 * character is equal to one of ASCII (ECMA-262, Canonicalize), although `ı` and `ſ` have the upper cases I and S.
 */
function fold(character: string): string {
  const upper = character.toUpperCase()
  return upper.length !== 1 || (character >= '\x80' && upper < '\x80') ? character : upper
}
