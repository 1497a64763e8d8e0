import type { Backend } from '../../../sdk/backend.ts'
import type { GuestCall } from './call.ts'
import { ClientView, ConnectionView } from './connection.ts'
import { CounterView, DigestView } from './grants.ts'
import { RequestView } from './request.ts'
import { ResponseView } from './response.ts'

/**
 * The argument of every hook. One class for all of them: what a hook has no business with has no declared field and
 * reads as absent. Getters, so that a hook pays only for what it takes out.
 */
export class ContextView {
  readonly #call: GuestCall
  #request: RequestView | undefined
  #response: ResponseView | undefined
  #connection: ConnectionView | undefined
  #client: ClientView | undefined
  #backends: readonly Backend[] | undefined
  #backend: Backend | undefined

  constructor(call: GuestCall) {
    this.#call = call
  }

  get options(): unknown {
    return this.#call.binding.options
  }

  get state(): string | undefined {
    return this.#call.state
  }

  get client(): ClientView {
    this.#client ??= new ClientView(this.#call)
    return this.#client
  }

  get connection(): ConnectionView {
    this.#connection ??= new ConnectionView(this.#call)
    return this.#connection
  }

  get request(): RequestView {
    this.#request ??= new RequestView(this.#call)
    return this.#request
  }

  get response(): ResponseView {
    this.#response ??= new ResponseView(this.#call)
    return this.#response
  }

  get backends(): readonly Backend[] {
    this.#backends ??= Object.freeze(decodeBackends(this.#call.items('backends')))
    return this.#backends
  }

  get backend(): Backend | undefined {
    this.#backend ??= decodeBackends(this.#call.items('backend'))[0]
    return this.#backend
  }

  get status(): number | undefined {
    return this.#call.declares('response.status') ? Number(this.#call.field('response.status') ?? 0) : undefined
  }

  get outcome(): string | undefined {
    return this.#call.field('outcome')
  }

  get counter(): CounterView | undefined {
    return this.#call.binding.needs.includes('counter') ? new CounterView(this.#call) : undefined
  }

  get digest(): DigestView | undefined {
    return this.#call.binding.needs.includes('digest') ? new DigestView(this.#call) : undefined
  }
}

/** Four items each: id, address, weight, active. */
function decodeBackends(items: readonly string[] = []): Backend[] {
  const backends: Backend[] = []
  for (let i = 0; i < items.length; i += 4) {
    const [id = '', address = '', weight, active] = items.slice(i, i + 4)
    backends.push(Object.freeze({ id, address, weight: Number(weight), active: Number(active) }))
  }
  return backends
}
