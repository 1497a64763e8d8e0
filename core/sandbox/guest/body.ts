import type { Body, BodyChunk } from '../../../sdk/body.ts'
import type { GuestCall } from './call.ts'
import { decodeUtf8, encodeUtf8 } from './utf8.ts'

// Taken before any code of the plugin runs, which may replace these builtins.
const { fromBase64 } = Uint8Array
const toBase64: (bytes: Uint8Array) => string = Function.prototype.call.bind(Uint8Array.prototype.toBase64)

/**
 * A body, decoded on first use. It crosses as base64, which is native on both sides, so that no object has to cross.
 */
export class BodyView implements Body {
  readonly #base64: string
  readonly complete: boolean
  #bytes: Uint8Array | undefined

  constructor(base64: string, complete: boolean) {
    this.#base64 = base64
    this.complete = complete
  }

  get bytes(): Uint8Array {
    this.#bytes ??= fromBase64(this.#base64)
    return this.#bytes
  }

  text(): string {
    return decodeUtf8(this.bytes)
  }

  json(): unknown {
    return JSON.parse(this.text())
  }
}

/**
 * The body that the host holds for this hook: of the request (`body`) or of the response (`response.body`); `undefined`
 * when it is larger than an optional one may be.
 */
export function readBody(call: GuestCall, family: 'body' | 'response.body'): BodyView | undefined {
  for (const field of call.entry.fields.keys()) {
    if (!field.startsWith(`${family}:`)) continue
    const items = call.items(field)
    return items && new BodyView(items[0] ?? '', items[1] === '1')
  }
  call.undeclared(`${family}:prefix:<bytes> or ${family}:buffer:<bytes>`)
  return undefined
}

export function readChunk(call: GuestCall): BodyChunk {
  const [base64 = '', last] = call.items('chunk') ?? []
  return { bytes: fromBase64(base64), last: last === '1' }
}

/** Asks the host to replace the body, or the chunk, by these bytes. */
export function writeBody(call: GuestCall, what: string, body: unknown): void {
  const bytes = typeof body === 'string' ? encodeUtf8(body) : body
  if (!(bytes instanceof Uint8Array))
    throw new TypeError(`${what} must be a Uint8Array or a string, not ${typeof body}`)
  call.writeBody(toBase64(bytes))
}
