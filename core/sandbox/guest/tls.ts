import type { Tls, TlsClient } from '../../../sdk/tls.ts'
import type { GuestCall } from './call.ts'

export class TlsView implements Tls {
  readonly #call: GuestCall

  constructor(call: GuestCall) {
    this.#call = call
  }

  get serverName(): string | undefined {
    return this.#call.field('tls.serverName')
  }

  get offered(): readonly string[] | undefined {
    if (!this.#call.declares('tls.offered')) this.#call.undeclared('tls.offered')
    const protocols = this.#call.items('tls.offered')
    return protocols && Object.freeze(protocols)
  }

  get version(): string | undefined {
    return this.#call.field('tls.version')
  }

  get cipher(): string | undefined {
    return this.#call.field('tls.cipher')
  }

  get alpn(): string | undefined {
    return this.#call.field('tls.alpn')
  }

  get client(): TlsClient {
    return new TlsClientView(this.#call)
  }
}

class TlsClientView implements TlsClient {
  readonly #call: GuestCall

  constructor(call: GuestCall) {
    this.#call = call
  }

  get verified(): boolean | undefined {
    const field = this.#call.field('tls.client.verified')
    return field === undefined ? undefined : field === '1'
  }

  get subject(): string | undefined {
    return this.#call.field('tls.client.subject')
  }

  get issuer(): string | undefined {
    return this.#call.field('tls.client.issuer')
  }

  get serial(): string | undefined {
    return this.#call.field('tls.client.serial')
  }

  get san(): readonly string[] | undefined {
    if (!this.#call.declares('tls.client.san')) this.#call.undeclared('tls.client.san')
    const names = this.#call.items('tls.client.san')
    return names && Object.freeze(names)
  }

  get fingerprint(): string | undefined {
    return this.#call.field('tls.client.fingerprint')
  }
}
