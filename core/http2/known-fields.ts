import { ownText } from '../own-text.ts'
import { fieldOverhead } from './hpack-decoder.ts'
import { isSecret } from './never-indexed.ts'
import { staticNames, staticTable } from './static-table.ts'

/** Fields whose values hardly come again: an entry would evict another one. */
const fleeting = new Set([':path', 'content-length', 'date', 'etag', 'x-request-id', 'last-modified', 'location'])

/** Longest value that is remembered, bytes. */
const longest = 512
const maxNames = 128
/** Most values of one name. Together with `maxNames` and `longest` it bounds what the process remembers to a few MB. */
const maxValues = 16

/** What is in use stays, whatever comes only once: those that are not asked for between two changes of generation go. */
class Generations<T> {
  readonly #most: number
  #young = new Map<string, T>()
  #old: ReadonlyMap<string, T> | undefined

  /** @param most most entries of each of the two generations */
  constructor(most: number) {
    this.#most = most
  }

  get(key: string): T | undefined {
    const young = this.#young.get(key)
    if (young !== undefined || this.#old === undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  /** @param key not in the young generation */
  set(key: string, value: T): void {
    if (this.#young.size >= this.#most) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(ownText(key), value)
  }
}

/** A field that has been sent before, on any connection of the process. */
export class KnownField {
  readonly value: string
  /** Its index in the static table; 0: it has none. */
  readonly index: number
  /** What an entry with it takes, bytes (RFC 7541 §4.1). */
  readonly size: number
  /** Whether it came a second time. Only then does it get an entry: what never comes again evicts nothing. */
  isRepeated = false

  constructor(name: string, value: string, index = 0) {
    this.value = value
    this.index = index
    this.size = name.length + value.length + fieldOverhead
  }
}

/** What is the same for all fields of one name. */
export class FieldName {
  /** First index of the name in the static table; 0: it has none. */
  readonly index: number
  readonly isSecret: boolean
  readonly isFleeting: boolean
  /** The last value of a fleeting field, and once it has come twice, its bytes on the wire: `date` is the same for a second. */
  lastText = ''
  lastBytes: Uint8Array | undefined
  readonly #name: string
  #last: KnownField
  readonly #values = new Generations<KnownField>(maxValues)
  /** Fields of the static table. */
  readonly #fixed: readonly KnownField[]

  constructor(name: string) {
    this.isSecret = isSecret(name)
    this.isFleeting = fleeting.has(name)
    this.index = staticNames.get(name) ?? 0
    const fixed: KnownField[] = []
    if (this.index > 0)
      for (let i = this.index; staticTable[2 * i] === name; i++)
        fixed.push(new KnownField(name, staticTable[2 * i + 1]!, i))
    this.#name = ownText(name)
    this.#fixed = fixed
    this.#last = fixed[0] ?? new KnownField(name, '')
  }

  /** The field with this value, remembered from now on. `undefined`: it is not, since it is too long or fleeting. Not for secrets. */
  field(value: string): KnownField | undefined {
    // The same text, or one of the same length: no hash is needed.
    if (value === this.#last.value) return this.#repeated(this.#last)
    if (value.length > longest) return undefined
    for (const fixed of this.#fixed) if (fixed.value === value) return fixed
    if (this.isFleeting) return undefined
    const known = this.#values.get(value)
    if (known !== undefined) return this.#repeated(known)
    const field = new KnownField(this.#name, ownText(value))
    this.#values.set(field.value, field)
    return field
  }

  #repeated(field: KnownField): KnownField {
    field.isRepeated = true
    this.#last = field
    return field
  }
}

const names = new Generations<FieldName>(maxNames)

export function nameOf(name: string): FieldName {
  const known = names.get(name)
  if (known !== undefined) return known
  const fresh = new FieldName(name)
  if (name.length <= longest) names.set(name, fresh)
  return fresh
}
