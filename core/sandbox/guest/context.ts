import type { Backend } from '../../../sdk/backend.ts'
import type { BodyChunk } from '../../../sdk/body.ts'
import type { Grants } from '../../../sdk/grants.ts'
import type { Traffic } from '../../../sdk/hooks.ts'
import { readChunk } from './body.ts'
import type { GuestCall } from './call.ts'
import { ClientView, ConnectionView } from './connection.ts'
import { GrantViews, grantOf } from './grants.ts'
import { RequestView } from './request.ts'
import { ResponseView } from './response.ts'

/**
 * The argument of every hook. One class serves all hooks: what does not apply to a hook has no declared field and reads
 * as absent. Getters, so that a hook pays only for what it reads.
 */
export class ContextView {
  readonly #call: GuestCall
  // The two that limits of requests use have places of their own; a list of views took 1 µs.
  #counter: Grants['counter'] | undefined
  #digest: Grants['digest'] | undefined
  #grants: GrantViews | undefined
  #request: RequestView | undefined
  #response: ResponseView | undefined
  #connection: ConnectionView | undefined
  #chunk: BodyChunk | undefined
  #client: ClientView | undefined
  #backends: readonly Backend[] | undefined
  #backend: Backend | undefined

  constructor(call: GuestCall) {
    this.#call = call
  }

  get options(): unknown {
    return this.#call.entry.options
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

  get chunk(): BodyChunk {
    this.#chunk ??= readChunk(this.#call)
    return this.#chunk
  }

  get backends(): readonly Backend[] {
    this.#backends ??= Object.freeze(decodeBackends(this.#call.items('backends')))
    return this.#backends
  }

  get backend(): Backend | undefined {
    if (!this.#call.declares('backend')) this.#call.undeclared('backend')
    this.#backend ??= decodeBackends(this.#call.items('backend'))[0]
    return this.#backend
  }

  get status(): number | undefined {
    if (this.#call.declares('response.status')) return Number(this.#call.field('response.status') ?? 0)
    this.#call.undeclared('response.status')
    return undefined
  }

  get grpcStatus(): number | undefined {
    const status = this.#call.field('grpc.status')
    return status === undefined ? undefined : Number(status)
  }

  get outcome(): string | undefined {
    return this.#call.field('outcome')
  }

  get traffic(): Traffic | undefined {
    if (!this.#call.declares('traffic')) this.#call.undeclared('traffic')
    const [bytesIn, bytesOut, datagramsIn, datagramsOut] = (this.#call.items('traffic') ?? []).map(Number)
    if (bytesIn === undefined) return undefined
    return Object.freeze({ __proto__: null, bytesIn, bytesOut, datagramsIn, datagramsOut }) as unknown as Traffic
  }

  get counter(): Grants['counter'] | undefined {
    this.#counter ??= grantOf(this.#call, 'counter')
    return this.#counter
  }

  get digest(): Grants['digest'] | undefined {
    this.#digest ??= grantOf(this.#call, 'digest')
    return this.#digest
  }

  get fetch(): Grants['fetch'] | undefined {
    return this.#grant('fetch')
  }

  get jwt(): Grants['jwt'] | undefined {
    return this.#grant('jwt')
  }

  get kv(): Grants['kv'] | undefined {
    return this.#grant('kv')
  }

  get log(): Grants['log'] | undefined {
    return this.#grant('log')
  }

  get metric(): Grants['metric'] | undefined {
    return this.#grant('metric')
  }

  #grant<N extends keyof Grants>(name: N): Grants[N] | undefined {
    this.#grants ??= new GrantViews(this.#call)
    return this.#grants.get(name)
  }
}

/** Six items each; see `encodeBackends`. */
function decodeBackends(items: readonly string[] = []): Backend[] {
  const backends: Backend[] = []
  for (let i = 0; i < items.length; i += 6) {
    const [id = '', address = '', weight, active, draining, labels = ''] = items.slice(i, i + 6)
    const backend: Backend = {
      id,
      address,
      weight: Number(weight),
      active: Number(active),
      draining: draining === '1',
      labels: labels === '' ? noLabels : Object.freeze(Object.assign(Object.create(null), JSON.parse(labels))),
    }
    backends.push(Object.freeze(backend))
  }
  return backends
}

/** Without a prototype: `labels.constructor` is undefined, unless it is a label. */
const noLabels: Backend['labels'] = Object.freeze(Object.create(null))
