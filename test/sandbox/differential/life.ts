import { PosternError } from '../../../core/errors.ts'
import {
  ask,
  type Chain,
  cancelAwaited,
  change,
  choose,
  type HookFlow,
  pass,
  tell,
  willChange,
} from '../../../core/hooks/chain.ts'
import type { BackendFacts, BodyNeed } from '../../../core/hooks/scopes.ts'
import { Fields } from '../../../core/http/fields.ts'
import type { HookName } from '../../../sdk/points.ts'
import type { Reply } from '../../../sdk/reply.ts'
import type { Cast, Chains } from './cast.ts'
import { type FlowScript, programOf } from './script.ts'

/** All that can be seen of a flow, in order. */
export type Trace = readonly string[]

/** Runs a flow from its beginning to its end. @param patience turns of the event loop after which it is cancelled. */
export async function live(
  cast: Cast,
  id: string,
  script: FlowScript,
  patience = Number.POSITIVE_INFINITY,
): Promise<Trace> {
  await turns(script.delay)
  const life = new Life(cast, id, script)
  const whole = script.kind === 'connection' ? life.connect() : life.request()
  await (patience === Number.POSITIVE_INFINITY ? whole : Promise.race([whole, life.cancelAfter(patience, whole)]))
  return life.trace
}

/** Stands in a trace where the flow was cancelled. */
export const cancelled = '["cancelled"]'

const backends: readonly BackendFacts[] = ['a', 'b'].map((id, active) => {
  return { id, address: `192.0.2.${active}:80`, weight: 1, active, draining: false, labels: '' }
})

class Life {
  readonly trace: string[] = []
  readonly #flow: HookFlow
  readonly #script: FlowScript
  readonly #chains: Chains
  #upstream = 'green'
  #body: Body
  #response: { status: number; fields: Fields; body: Body } | undefined
  #chunk: { bytes: Uint8Array; last: boolean } | undefined
  #candidates: readonly BackendFacts[] = []
  #outcome = ''
  #ended = false
  #chain: Chain | undefined

  constructor(cast: Cast, id: string, script: FlowScript) {
    this.#script = script
    this.#chains = cast.chains[script.line]!
    this.#body = new Body(script.body.join(''))
    this.#flow = this.#open(cast, id)
  }

  async request(): Promise<void> {
    const { route, through } = this.#chains
    let result = await this.#asked('onRequest', route, 0)
    let chain = route
    if (result === undefined) {
      chain = through[this.#upstream]!
      result = await this.#asked('onRequest', chain, route.length)
    }
    if (result === undefined) result = await this.#choose(chain)
    if (result === undefined) result = await this.#change('onRequestBody', chain, this.#body)
    if (result === undefined) {
      const { status, fields, body } = this.#script.response
      this.#response = { status, fields: new Fields([...fields]), body: new Body(body.join('')) }
    } else this.#replace(result)
    await this.#until<void>((done) => pass(this.#flow, chain, done))
    const error = await this.#change('onResponseBody', chain, this.#response!.body)
    this.#tell('response', this.#response!.status, this.#response!.fields.list, this.#response!.body.text)
    if (error !== undefined) this.#outcome = error.outcome
    await this.#close(chain)
  }

  async connect(): Promise<void> {
    const { route } = this.#chains
    const result = await this.#asked('onConnect', route, 0)
    if (result === undefined) await this.#choose(route)
    await this.#until<void>((done) => tell(this.#flow, route, done, 'onDisconnect'))
    await this.#close(route)
  }

  /** Resolves with what is passed to `done`; never when the flow has been cancelled meanwhile. */
  async #until<T>(run: (done: (result: T) => void) => void): Promise<T> {
    const result = await new Promise<T>(run)
    return this.#ended ? new Promise(() => {}) : result
  }

  /** Like a client that has gone: what is under way has no result any more, and `onClose` follows. */
  async cancelAfter(patience: number, whole: Promise<void>): Promise<void> {
    await turns(patience)
    if (this.#ended || this.#chain === undefined) return whole
    this.trace.push(cancelled)
    await this.#close(this.#chain)
  }

  async #close(chain: Chain): Promise<void> {
    this.#ended = true
    cancelAwaited(this.#flow)
    await new Promise<void>((done) => tell(this.#flow, chain, done))
    this.#tell('end', this.#outcome, this.#flow.awaited === undefined)
  }

  async #asked(hook: 'onConnect' | 'onRequest', chain: Chain, from: number): Promise<Reply | PosternError | undefined> {
    this.#chain = chain
    const [result, by] = await this.#until<[Reply | PosternError | undefined, string | undefined]>((done) =>
      ask(this.#flow, hook, chain, from, (result, policy) => done([result, policy?.name])),
    )
    const { reached, facts } = this.#flow
    this.#tell(hook, wordsOf(result), by, reached, facts.consumer, this.#upstream, facts.states)
    this.#tell(facts.requestFields?.list, this.#body.text)
    return result
  }

  async #choose(chain: Chain): Promise<PosternError | undefined> {
    this.#candidates = backends
    const result = await this.#until<BackendFacts | PosternError | undefined>((done) => choose(this.#flow, chain, done))
    this.#candidates = []
    this.#tell('choose', result instanceof PosternError ? wordsOf(result) : result?.id)
    return result instanceof PosternError ? result : undefined
  }

  async #change(hook: 'onRequestBody' | 'onResponseBody', chain: Chain, body: Body): Promise<PosternError | undefined> {
    if (!willChange(this.#flow, hook, chain)) return undefined
    const all = Buffer.from(body.text)
    for (const [from, to] of [
      [0, all.length >> 1],
      [all.length >> 1, all.length],
    ] as const) {
      this.#chunk = { bytes: all.subarray(from, to), last: to === all.length }
      const error = await this.#until<PosternError | undefined>((done) => change(this.#flow, hook, chain, done))
      this.#tell(hook, wordsOf(error), Buffer.from(this.#chunk.bytes).toString())
      if (error !== undefined) return error
    }
    return undefined
  }

  #replace(by: Reply | PosternError, policy?: string): void {
    this.#tell('replaced', policy, wordsOf(by))
    const isError = by instanceof PosternError
    this.#outcome = isError ? by.outcome : ''
    const fields = new Fields(isError ? ['content-type', 'application/problem+json'] : by.headers.flat())
    this.#response = { status: by.status, fields, body: new Body(isError ? by.code : by.body) }
  }

  #tell(...what: unknown[]): void {
    this.trace.push(JSON.stringify(what))
  }

  #open({ sandbox }: Cast, id: string): HookFlow {
    const life = this
    const { kind, method, path, fields } = this.#script
    const isRequest = kind === 'request'
    const request = {
      id,
      method,
      scheme: 'http',
      host: 'h',
      path,
      query: 'q=%C3%A9&r=1',
      full: '/?q=%C3%A9&r=1',
      fields: new Fields([...fields], true),
      consumer: undefined as string | undefined,
      get body() {
        return life.#body
      },
    }
    const facts: HookFlow['facts'] = {
      layer: isRequest ? 'L7' : 'L4',
      id,
      clientIp: '192.0.2.1',
      clientPort: 1,
      peerIp: '192.0.2.1',
      localPort: 80,
      tls: undefined,
      listenerName: JSON.stringify(programOf(this.#script, id, this.#chains.labels)),
      routeName: 'r',
      request: isRequest ? request : undefined,
      backend: undefined,
      requestFields: isRequest ? request.fields : undefined,
      states: [],
      consumer: undefined,
      get upstreamName() {
        return life.#upstream
      },
      get response() {
        return life.#response
      },
      get candidates() {
        return life.#candidates
      },
      get outcome() {
        return life.#outcome
      },
      get responseFields() {
        return life.#response?.fields
      },
      get chunk() {
        return life.#chunk
      },
      replaceBody: (hook, bytes) => this.#replaceBody(hook, bytes),
      upstreamProblem: (name) => (name === 'green' || name === 'blue' ? undefined : `there is no upstream "${name}"`),
      useUpstream: (name) => {
        this.#upstream = name
      },
    }
    Object.defineProperty(facts, 'consumer', {
      get: () => request.consumer,
      set: (name) => {
        request.consumer = name
      },
    })
    return {
      facts,
      sandbox,
      get ended() {
        return life.#ended
      },
      reached: 0,
      awaited: undefined,
      onHook: ({ policy, hook, ran, operations, error }) => {
        this.#tell(hook, policy.name, ran, operations, wordsOf(error))
      },
      hold: (need, _policy, done) => this.#hold(need, done),
      replaceResponse: (by, policy) => this.#replace(by, policy.name),
    }
  }

  #replaceBody(hook: HookName, bytes: Uint8Array): void {
    const text = Buffer.from(bytes).toString()
    if (hook === 'onRequest') this.#body = new Body(text)
    else if (hook === 'onResponse') this.#response!.body = new Body(text)
    else this.#chunk = { bytes, last: this.#chunk!.last }
  }

  #hold({ hook, bytes, whole, optional }: BodyNeed, done: (error: PosternError | undefined) => void): void {
    const { text } = hook === 'onRequest' ? this.#body : this.#response!.body
    const isTooLarge = whole && !optional && text.length > bytes
    const error = isTooLarge ? new PosternError('BL', 'too large', {}) : undefined
    // A body is there already, or arrives later.
    if (this.#script.delay === 0) done(error)
    else void turns(this.#script.delay).then(() => this.#ended || done(error))
  }
}

class Body {
  readonly text: string
  readonly isComplete = true

  constructor(text: string) {
    this.text = text
  }

  peek(most: number): Uint8Array {
    return Buffer.from(this.text).subarray(0, most)
  }
}

/** Stacks and measured times may differ, messages must not. */
function wordsOf(result: Reply | PosternError | undefined): unknown {
  if (!(result instanceof Error)) return result
  const [message = ''] = result.message.split('\n')
  return [result.code, message.replace(/[\d.,]+ ms/g, '# ms')]
}

async function turns(many: number): Promise<void> {
  for (let i = 0; i < many; i++) await new Promise((resolve) => setImmediate(resolve))
}
