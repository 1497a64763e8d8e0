import type { HookName, Layer } from '../../sdk/points.ts'
import { ABSENT } from '../grants/operation.ts'
import type { Origin } from '../grants/origin.ts'
import { cookie } from '../http/cookie.ts'
import { textOf } from '../http/field-text.ts'
import type { Fields } from '../http/fields.ts'
import { parameter } from '../http/query.ts'
import type { TlsFacts } from '../net/peer.ts'
import { encodeField, encodeItems, ITEM } from '../sandbox/wire.ts'

/** One backend, as plugins see it. */
export interface BackendFacts {
  readonly id: string
  readonly address: string
  readonly weight: number
  readonly active: number
  readonly draining: boolean
  /** As JSON; empty when it has none. */
  readonly labels: string
  /** Where the fetches of its `checkHealth` may go; `undefined`: nowhere. */
  readonly origin?: Origin | undefined
}

/** The facts of a flow. Plugins get the declared fields, which are read from here, and nothing else. */
export interface FlowFacts {
  readonly layer: Layer
  /** Identifier of the request or connection, as the access log carries it. */
  readonly id: string
  readonly clientIp: string
  readonly clientPort: number | undefined
  readonly peerIp: string
  readonly localPort: number
  /** Of the client's connection; `undefined`: it is not TLS. */
  readonly tls: TlsFacts | undefined
  readonly listenerName: string
  readonly routeName: string | undefined
  readonly upstreamName: string | undefined
  /** `undefined` on L4 and before a request has arrived. */
  readonly request: RequestView | undefined
  readonly response: ResponseView | undefined
  /** Of a gRPC call: what the head of the response said, or after its end the trailers. */
  readonly grpcStatus?: number | undefined
  /** The backend used last. */
  readonly backend: BackendFacts | undefined
  /** The backends that `selectBackend` may choose from. */
  readonly candidates: readonly BackendFacts[]
  readonly outcome: string
  /** Of L4, once it has ended. */
  readonly bytes?: { readonly in: number; readonly out: number } | undefined
  readonly datagrams?: { readonly in: number; readonly out: number } | undefined
  /** The current chunk of a body, for `onRequestBody` and `onResponseBody`. */
  readonly chunk?: { readonly bytes: Uint8Array; readonly last: boolean } | undefined
}

/** The part of a body that is held for a policy. */
export interface BodyView {
  /** The first `most` bytes. */
  peek(most: number): Uint8Array
  /** Whether the whole body has arrived. */
  readonly isComplete: boolean
}

export interface RequestView {
  readonly id: string
  readonly method: string
  readonly scheme: string
  readonly host: string
  readonly path: string
  /** `Target.interpretations`: a decision by path has to hold for each of them. */
  readonly interpretations?: readonly string[] | undefined
  readonly query: string
  /** Path and query as they came, one character for each octet. */
  readonly full: string
  /** What a capture in the path of the route stands for, as it came. */
  capture?(name: string): string | undefined
  readonly fields: Fields
  readonly consumer: string | undefined
  readonly body?: BodyView | undefined
}

export interface ResponseView {
  readonly status: number
  readonly fields: Fields
  readonly body?: BodyView | undefined
}

/** Reads a field of the flow, encoded for the sandbox. */
export type FieldReader = (flow: FlowFacts) => string

type Stage = 'connection' | 'request' | 'response' | 'close'

interface FieldKind {
  /** The first stage of a flow at which it is known. */
  readonly from: Stage
  readonly layers: readonly Layer[]
  readonly read: (flow: FlowFacts) => string | undefined
  /** `read` returns a list of items that is already encoded. */
  readonly items?: true
}

const both: readonly Layer[] = ['L4', 'L7']
const onlyL7: readonly Layer[] = ['L7']

const plain: Readonly<Record<string, FieldKind>> = {
  'client.ip': { from: 'connection', layers: both, read: (flow) => flow.clientIp },
  'client.port': { from: 'connection', layers: both, read: (flow) => flow.clientPort?.toString() },
  'peer.ip': { from: 'connection', layers: both, read: (flow) => flow.peerIp },
  'local.port': { from: 'connection', layers: both, read: (flow) => flow.localPort.toString() },
  'tls.serverName': { from: 'connection', layers: both, read: ({ tls }) => tls?.serverName },
  'tls.offered': {
    from: 'connection',
    layers: both,
    items: true,
    read: ({ tls }) => tls && encodeItems(tls.offered),
  },
  'tls.version': { from: 'connection', layers: both, read: ({ tls }) => tls?.version },
  'tls.cipher': { from: 'connection', layers: both, read: ({ tls }) => tls?.cipher },
  'tls.alpn': { from: 'connection', layers: both, read: ({ tls }) => tls?.alpn },
  'tls.client.subject': { from: 'connection', layers: both, read: ({ tls }) => tls?.client?.subject },
  'tls.client.issuer': { from: 'connection', layers: both, read: ({ tls }) => tls?.client?.issuer },
  'tls.client.serial': { from: 'connection', layers: both, read: ({ tls }) => tls?.client?.serial },
  'tls.client.san': {
    from: 'connection',
    layers: both,
    items: true,
    read: ({ tls }) => tls?.client && encodeItems(tls.client.san),
  },
  'tls.client.fingerprint': { from: 'connection', layers: both, read: ({ tls }) => tls?.client?.fingerprint },
  'tls.client.verified': {
    from: 'connection',
    layers: both,
    read: ({ tls }) => tls?.client && (tls.client.verified ? '1' : ''),
  },
  listener: { from: 'connection', layers: both, read: (flow) => flow.listenerName },
  route: { from: 'connection', layers: both, read: (flow) => flow.routeName },
  upstream: { from: 'connection', layers: both, read: (flow) => flow.upstreamName },
  method: { from: 'request', layers: onlyL7, read: (flow) => flow.request?.method },
  scheme: { from: 'request', layers: onlyL7, read: (flow) => flow.request?.scheme },
  host: { from: 'request', layers: onlyL7, read: (flow) => flow.request?.host },
  path: { from: 'request', layers: onlyL7, read: (flow) => flow.request?.path },
  query: { from: 'request', layers: onlyL7, read: (flow) => flow.request?.query },
  consumer: { from: 'request', layers: onlyL7, read: (flow) => flow.request?.consumer },
  'request.id': { from: 'request', layers: onlyL7, read: (flow) => flow.request?.id },
  'header:*': {
    from: 'request',
    layers: onlyL7,
    items: true,
    read: (flow) => flow.request && encodeItems(flow.request.fields.texts),
  },
  'response.status': { from: 'response', layers: onlyL7, read: (flow) => flow.response?.status.toString() },
  'grpc.status': { from: 'response', layers: onlyL7, read: (flow) => flow.grpcStatus?.toString() },
  'response.header:*': {
    from: 'response',
    layers: onlyL7,
    items: true,
    read: (flow) => flow.response && encodeItems(flow.response.fields.texts),
  },
  backend: {
    from: 'response',
    layers: both,
    items: true,
    read: (flow) => flow.backend && encodeBackends([flow.backend]),
  },
  traffic: {
    from: 'close',
    layers: ['L4'],
    items: true,
    read: ({ bytes, datagrams }) =>
      bytes && encodeItems([bytes.in, bytes.out, datagrams?.in ?? 0, datagrams?.out ?? 0].map(String)),
  },
  outcome: { from: 'close', layers: both, read: (flow) => flow.outcome },
}

const named: Readonly<Record<string, (name: string) => FieldKind>> = {
  query: (name) => ({
    from: 'request',
    layers: onlyL7,
    read: (flow) => flow.request && parameter(flow.request.query, name),
  }),
  cookie: (name) => ({
    from: 'request',
    layers: onlyL7,
    read: (flow) => {
      const header = flow.request?.fields.get('cookie')
      const value = header === undefined ? undefined : cookie(header, name)
      return value === undefined ? undefined : textOf(value)
    },
  }),
  header: (name) => ({ from: 'request', layers: onlyL7, read: (flow) => flow.request?.fields.text(name) }),
  'response.header': (name) => ({ from: 'response', layers: onlyL7, read: (flow) => flow.response?.fields.text(name) }),
}

/** Bodies that are held until a policy has seen them. Readable in one hook only: after it the body is forwarded. */
const held: Readonly<Record<string, { hook: HookName; body: (flow: FlowFacts) => BodyView | undefined }>> = {
  body: { hook: 'onRequest', body: (flow) => flow.request?.body },
  'response.body': { hook: 'onResponse', body: (flow) => flow.response?.body },
}

/**
 * How much of a body a scope asks for: its first `bytes`, or, with `whole`, all of it up to `bytes`. What to do with one
 * that is larger: refuse the message, or, with `optional`, call the hook without the body.
 */
export interface BodyNeed {
  /** The hook that it is held for. */
  readonly hook: HookName
  readonly bytes: number
  readonly whole: boolean
  readonly optional: boolean
}

/** Most bytes of a body that a scope may ask for: 1 MiB. */
const largestBody = 1_048_576

/** Reads `body:prefix:<n>`, `:buffer:`, `:optional:` and the same of `response.body`; `undefined` for any other scope. */
export function bodyNeed(scope: string): BodyNeed | undefined {
  const [, name = '', access, digits] = /^(body|response\.body):(prefix|buffer|optional):([1-9]\d*)$/.exec(scope) ?? []
  const bytes = Number(digits)
  if (!Object.hasOwn(held, name) || bytes > largestBody) return undefined
  return { hook: held[name]!.hook, bytes, whole: access !== 'prefix', optional: access === 'optional' }
}

const stages: readonly Stage[] = ['connection', 'request', 'response', 'close']

/** The last stage of a flow whose fields a hook is given. */
const stageOf: Readonly<Record<Exclude<HookName, 'checkHealth'>, Stage>> = {
  onConnect: 'connection',
  onRequest: 'request',
  onRequestBody: 'request',
  selectBackend: 'request',
  onResponse: 'response',
  onResponseBody: 'response',
  onClose: 'close',
  onDisconnect: 'connection',
}

/** Field that carries the candidates of `selectBackend`; not a scope, since the hook always gets them. */
export const candidatesField = 'backends'
/** Field that carries the chunk of the hooks that see a body pass: base64, and whether it is the last one. */
export const chunkField = 'chunk'

const tokenForm = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

function forms(body: string): string {
  return `${body}:prefix:<bytes>, ${body}:buffer:<bytes> or ${body}:optional:<bytes>`
}

/** Normalises a scope to the one spelling that the host uses, or says why it is invalid. */
export function normalizeScope(scope: string): { scope: string; layers: readonly Layer[] } | { problem: string } {
  const colon = scope.indexOf(':')
  if (colon === -1 || scope in plain) {
    const kind = Object.hasOwn(plain, scope) ? plain[scope] : undefined
    if (Object.hasOwn(held, scope)) return { problem: `"${scope}" needs a size: ${forms(scope)}` }
    return kind === undefined ? { problem: `there is no field "${scope}"` } : { scope, layers: kind.layers }
  }
  const family = scope.slice(0, colon)
  const name = scope.slice(colon + 1)
  if (Object.hasOwn(held, family)) {
    const problem = `"${scope}" must be ${forms(family)}, 1 to ${largestBody} bytes`
    return bodyNeed(scope) === undefined ? { problem } : { scope, layers: onlyL7 }
  }
  if (!Object.hasOwn(named, family)) return { problem: `there is no field "${scope}"` }
  if (family === 'query') return { scope, layers: onlyL7 }
  if (!tokenForm.test(name)) return { problem: `"${name}" is not a valid name for ${family}:<name>` }
  return { scope: family === 'cookie' ? scope : `${family}:${name.toLowerCase()}`, layers: onlyL7 }
}

/** Whether a field is known only after the TLS handshake, unlike what the client says first, in its ClientHello. */
export function isOfHandshake(scope: string): boolean {
  return scope.startsWith('tls.') && scope !== 'tls.serverName' && scope !== 'tls.offered'
}

/** The declared fields that a hook is given, in the order in which they cross. `reads` are normalised scopes. */
export function fieldsOf(hook: HookName, reads: readonly string[]): string[] {
  // A probe has a backend and no flow, so the scopes of the policy do not apply.
  if (hook === 'checkHealth') return ['backend']
  const last = stages.indexOf(stageOf[hook])
  const fields = [...new Set(reads)].filter((scope) => {
    const body = bodyNeed(scope)
    return body === undefined ? stages.indexOf(kindOf(scope).from) <= last : body.hook === hook
  })
  if (hook === 'selectBackend') fields.push(candidatesField)
  if (hook === 'onRequestBody' || hook === 'onResponseBody') fields.push(chunkField)
  return fields
}

/** The reader of a field. @throws TypeError on a name that is not a field. */
export function readerOf(field: string): FieldReader {
  if (field === candidatesField) return (flow) => encodeBackends(flow.candidates)
  if (field === chunkField) return ({ chunk }) => (chunk ? encodeBytes(chunk.bytes, chunk.last) : ABSENT)
  const need = bodyNeed(field)
  if (need !== undefined) {
    const { body } = held[field.slice(0, field.indexOf(':'))]!
    return (flow) => encodeBody(body(flow), need)
  }
  const { read, items } = kindOf(field)
  return items ? (flow) => read(flow) ?? ABSENT : (flow) => encodeField(read(flow))
}

function kindOf(scope: string): FieldKind {
  const kind = Object.hasOwn(plain, scope) ? plain[scope] : undefined
  if (kind !== undefined) return kind
  const colon = scope.indexOf(':')
  const family = named[scope.slice(0, colon)]
  if (family === undefined) throw new TypeError(`not a field: ${scope}`)
  return family(scope.slice(colon + 1))
}

/** Six items each: id, address, weight, active, `1` when it drains, labels as JSON. */
function encodeBackends(backends: readonly BackendFacts[]): string {
  const items: string[] = []
  for (const { id, address, weight, active, draining, labels } of backends) {
    items.push(id, address, `${weight}`, `${active}`, draining ? '1' : '', labels)
  }
  return encodeItems(items)
}

function encodeBody(body: BodyView | undefined, { bytes: most, optional }: BodyNeed): string {
  if (body === undefined) return encodeBytes(new Uint8Array(0), true)
  const bytes = body.peek(most)
  const isWhole = body.isComplete && body.peek(most + 1).length === bytes.length
  return optional && !isWhole ? ABSENT : encodeBytes(bytes, isWhole)
}

/** Two items: the bytes as base64, which both sides convert natively and which needs no escaping; `1` on the last chunk. */
function encodeBytes(bytes: Uint8Array, last: boolean): string {
  const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
  return base64 + ITEM + (last ? '1' : '')
}
