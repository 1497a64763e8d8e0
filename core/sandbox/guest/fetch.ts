import type { Fetch, FetchHeaders, FetchResponse } from '../../../sdk/fetch.ts'
import { ABSENT } from '../../grants/operation.ts'
import type { GuestCall } from './call.ts'
import { text } from './text.ts'
import { encodeUtf8 } from './utf8.ts'

export function openFetch(call: GuestCall): Fetch {
  return async (url, { method = 'GET', headers = {}, body, timeout = 2_000, limit = 1_048_576 } = {}) => {
    const values = [text('fetch: the URL', url), text('fetch: the method', method).toUpperCase()]
    values.push(String(timeout), String(limit), body === undefined ? ABSENT : text('fetch: the body', body))
    for (const name of Object.keys(headers)) values.push(name, text(`fetch: the header ${name}`, headers[name]))
    const [status, content = '', bytes = ABSENT, ...fields] = await call.grant('fetch.send', values)
    return new FetchedResponse(Number(status), new FetchedHeaders(fields), content, bytes)
  }
}

class FetchedResponse implements FetchResponse {
  readonly status: number
  readonly headers: FetchHeaders
  readonly #text: string
  /** The body in base64; ABSENT when the text is exactly the body. */
  readonly #bytes: string

  constructor(status: number, headers: FetchHeaders, content: string, bytes: string) {
    this.status = status
    this.headers = headers
    this.#text = content
    this.#bytes = bytes
  }

  text(): string {
    // A byte order mark is not part of the text, as everywhere on the web.
    return this.#text.charCodeAt(0) === 0xfeff ? this.#text.slice(1) : this.#text
  }

  json(): unknown {
    return JSON.parse(this.text())
  }

  bytes(): Uint8Array {
    if (this.#bytes === ABSENT) return encodeUtf8(this.#text)
    return Uint8Array.fromBase64(this.#bytes)
  }
}

class FetchedHeaders implements FetchHeaders {
  readonly #fields: readonly string[]

  constructor(fields: readonly string[]) {
    this.#fields = fields
  }

  get(name: string): string | undefined {
    const lower = name.toLowerCase()
    const values = this.list().filter(([field]) => field === lower)
    return values.length === 0 ? undefined : values.map(([, value]) => value).join(', ')
  }

  list(): [name: string, value: string][] {
    const list: [string, string][] = []
    for (let i = 0; i + 1 < this.#fields.length; i += 2) list.push([this.#fields[i]!, this.#fields[i + 1]!])
    return list
  }
}
