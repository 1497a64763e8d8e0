import type { Client } from '../../../sdk/client.ts'
import type { Connection } from '../../../sdk/connection.ts'
import { op } from '../wire.ts'
import type { GuestCall } from './call.ts'
import { writeState } from './state.ts'
import { text } from './text.ts'
import { TlsView } from './tls.ts'

/**
 * An undeclared field reads as `undefined`, whatever its type, so that a plugin that forgot to declare it fails
 * visibly.
 */
export class ConnectionView implements Connection {
  readonly #call: GuestCall

  constructor(call: GuestCall) {
    this.#call = call
  }

  get layer(): 'L4' | 'L7' {
    return this.#call.layer
  }

  get peer(): { readonly ip: string } {
    return { ip: this.#call.field('peer.ip') as string }
  }

  get local(): { readonly port: number } {
    return { port: number(this.#call.field('local.port')) as number }
  }

  get tls(): TlsView {
    return new TlsView(this.#call)
  }

  get listener(): string {
    return this.#call.field('listener') as string
  }

  get route(): string | undefined {
    return this.#call.field('route')
  }

  get upstream(): string | undefined {
    return this.#call.field('upstream')
  }

  useUpstream(name: string): void {
    this.#call.write(op.useUpstream, text('connection.useUpstream: the name', name))
  }

  get state(): string | undefined {
    return this.#call.state
  }

  set state(value: string | undefined) {
    writeState(this.#call, value)
  }
}

export class ClientView implements Client {
  readonly #call: GuestCall

  constructor(call: GuestCall) {
    this.#call = call
  }

  get ip(): string {
    return this.#call.field('client.ip') as string
  }

  get port(): number | undefined {
    return number(this.#call.field('client.port'))
  }
}

function number(field: string | undefined): number | undefined {
  return field === undefined ? undefined : Number(field)
}
