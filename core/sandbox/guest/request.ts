import type { Request } from '../../../sdk/request.ts'
import { cookie } from '../../http/cookie.ts'
import { parameter } from '../../http/query.ts'
import { bounds } from '../bounds.ts'
import { op } from '../wire.ts'
import { type BodyView, readBody, writeBody } from './body.ts'
import type { GuestCall } from './call.ts'
import { Headers } from './headers.ts'
import { writeState } from './state.ts'
import { text } from './text.ts'

export class RequestView implements Request {
  readonly #call: GuestCall
  #headers: Headers | undefined
  #consumer: { readonly name: string | undefined } | undefined

  constructor(call: GuestCall) {
    this.#call = call
  }

  get method(): string {
    return this.#call.field('method') as string
  }

  get scheme(): string {
    return this.#call.field('scheme') as string
  }

  get host(): string {
    return this.#call.field('host') as string
  }

  get path(): string {
    return this.#call.field('path') as string
  }

  get query(): string {
    return this.#call.field('query') as string
  }

  get id(): string {
    return this.#call.field('request.id') as string
  }

  get consumer(): string | undefined {
    return this.#consumer === undefined ? this.#call.field('consumer') : this.#consumer.name
  }

  set consumer(name: string | undefined) {
    if (name !== undefined && text('request.consumer', name).length > bounds.consumer) {
      throw new RangeError(`a consumer's name has ${bounds.consumer} characters at most, not ${name.length}`)
    }
    this.#call.write(op.consumer, name)
    this.#consumer = { name }
  }

  parameter(name: string): string | undefined {
    const field = `query:${name}`
    if (this.#call.declares(field)) return this.#call.field(field)
    if (!this.#call.declares('query')) {
      this.#call.undeclared(field)
      return undefined
    }
    const query = this.#call.field('query')
    return query === undefined ? undefined : parameter(query, name)
  }

  cookie(name: string): string | undefined {
    const field = `cookie:${name}`
    if (this.#call.declares(field)) return this.#call.field(field)
    if (!this.#call.declares('header:cookie') && !this.#call.declares('header:*')) {
      this.#call.undeclared(field)
      return undefined
    }
    const header = this.#all.get('cookie')
    return header === undefined ? undefined : cookie(header, name)
  }

  header(name: string): string | undefined {
    return this.#all.get(name)
  }

  headers(): [name: string, value: string][] {
    return this.#all.entries()
  }

  /** Made on first use: many hooks read no header. */
  get #all(): Headers {
    this.#headers ??= new Headers(this.#call, 'header')
    return this.#headers
  }

  setHeader(name: string, value: string): void {
    this.#call.write(
      op.setHeader,
      text('request.setHeader: the name', name),
      text('request.setHeader: the value', value),
    )
  }

  removeHeader(name: string): void {
    this.#call.write(op.removeHeader, text('request.removeHeader: the name', name))
  }

  get body(): BodyView | undefined {
    return readBody(this.#call, 'body')
  }

  setBody(body: Uint8Array | string): void {
    writeBody(this.#call, 'request.setBody: the body', body)
  }

  useUpstream(name: string): void {
    this.#call.write(op.useUpstream, text('request.useUpstream: the name', name))
  }

  get state(): string | undefined {
    return this.#call.state
  }

  set state(value: string | undefined) {
    writeState(this.#call, value)
  }
}
