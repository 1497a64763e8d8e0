import type { Response } from '../../../sdk/response.ts'
import { op } from '../wire.ts'
import { type BodyView, readBody, writeBody } from './body.ts'
import type { GuestCall } from './call.ts'
import { Headers } from './headers.ts'
import { text } from './text.ts'

/** The response. In `onRequest` it is still to come: its headers can be prepared, and nothing of it can be read. */
export class ResponseView implements Response {
  readonly #call: GuestCall
  #headers: Headers | undefined

  constructor(call: GuestCall) {
    this.#call = call
  }

  get status(): number {
    this.#expect('status')
    const status = this.#call.field('response.status')
    return (status === undefined ? undefined : Number(status)) as number
  }

  get grpcStatus(): number | undefined {
    this.#expect('grpcStatus')
    const status = this.#call.field('grpc.status')
    return status === undefined ? undefined : Number(status)
  }

  get body(): BodyView | undefined {
    this.#expect('body')
    return readBody(this.#call, 'response.body')
  }

  setBody(body: Uint8Array | string): void {
    this.#expect('setBody')
    writeBody(this.#call, 'response.setBody: the body', body)
  }

  header(name: string): string | undefined {
    this.#expect('header')
    return this.#all.get(name)
  }

  headers(): [name: string, value: string][] {
    this.#expect('headers')
    return this.#all.entries()
  }

  /** Made on first use: many hooks read no header. */
  get #all(): Headers {
    this.#headers ??= new Headers(this.#call, 'response.header')
    return this.#headers
  }

  setHeader(name: string, value: string): void {
    const what = 'response.setHeader'
    this.#call.write(op.setResponseHeader, text(`${what}: the name`, name), text(`${what}: the value`, value))
  }

  appendHeader(name: string, value: string): void {
    const what = 'response.appendHeader'
    this.#call.write(op.appendResponseHeader, text(`${what}: the name`, name), text(`${what}: the value`, value))
  }

  removeHeader(name: string): void {
    this.#call.write(op.removeResponseHeader, text('response.removeHeader: the name', name))
  }

  #expect(member: string): void {
    if (this.#call.entry.hook !== 'onRequest') return
    throw new TypeError(
      `response.${member}: there is no response yet in onRequest, which can only set, append and remove headers; use onResponse`,
    )
  }
}
