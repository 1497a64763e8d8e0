/** Checked by `tsc --noEmit -p test` alone: each `@ts-expect-error` is a mistake that an author must see in the editor. */
import {
  type Backend,
  type Client,
  type CounterLimit,
  type CounterResult,
  definePlugin,
  type FetchResponse,
  type PreparedResponse,
  type Reply,
  type Request,
  reply,
  type Undeclared,
} from 'postern/sdk'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

function same<A, B>(..._: Same<A, B> extends true ? [] : [wrong: never]): void {}

definePlugin({
  name: 'options-are-typed-from-the-schema',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['points'],
    properties: {
      points: { type: 'integer', description: 'required' },
      header: { type: 'string', default: 'x-api-key', description: 'with a default' },
      comment: { type: 'string', description: 'neither' },
      mode: { type: 'string', enum: ['fast', 'safe'], default: 'safe' },
      list: { type: 'array', items: { type: 'string' }, default: [] },
      keys: { type: 'object', additionalProperties: { type: 'string' }, default: {} },
    },
  },
  reads: ({ header }) => {
    same<typeof header, string>()
    return [`header:${header}`]
  },
  onRequest({ options }) {
    same<typeof options.points, number>()
    same<typeof options.header, string>()
    same<typeof options.comment, string | undefined>()
    same<typeof options.mode, 'fast' | 'safe'>()
    same<typeof options.list, string[]>()
    same<(typeof options.keys)[string], string>()
    // @ts-expect-error a misspelt option
    options.haeder
    // @ts-expect-error not every policy has this one
    options.comment.length
    // @ts-expect-error no such choice
    options.mode === 'slow'
  },
})

definePlugin({
  name: 'grants-only-when-needed',
  needs: ['counter'],
  async onRequest(context) {
    same<typeof context.counter.take, (key: string, limit: CounterLimit) => Promise<CounterResult>>()
    // @ts-expect-error not in `needs`
    context.digest
  },
})

definePlugin({
  name: 'no-needs-no-grants',
  onRequest(context) {
    // @ts-expect-error not in `needs`
    context.counter
  },
})

definePlugin({
  name: 'no-such-grant',
  // @ts-expect-error the host grants no such thing
  needs: ['filesystem'],
})

definePlugin({
  name: 'select-backend-may-not-wait',
  needs: ['digest'],
  // @ts-expect-error a backend, not the promise of one
  async selectBackend({ backends }) {
    return backends[0]
  },
})

definePlugin({
  name: 'what-hooks-return',
  onConnect: () => reply(403),
  onRequest: async (): Promise<Reply | undefined> => undefined,
  selectBackend: ({ backends }) => backends.find(({ active }) => active === 0),
  // @ts-expect-error an answer is made by `reply`
  onResponse: () => ({ status: 204 }),
})

definePlugin({
  name: 'a-probe-is-about-a-backend',
  needs: ['fetch'],
  async checkHealth({ backend, fetch, ...context }) {
    same<typeof backend, Backend>()
    // @ts-expect-error no connection
    context.client
    const { status } = await fetch(`http://${backend.address}/`)
    return status === 503 ? undefined : { healthy: status === 200, weight: backend.weight }
  },
})

definePlugin({
  name: 'a-verdict-says-whether',
  // @ts-expect-error healthy or not?
  checkHealth: () => ({ weight: 3 }),
})

definePlugin({
  name: 'the-end-of-a-connection',
  reads: ['client.ip'],
  onDisconnect({ state, client, connection, ...context }) {
    same<typeof state, string | undefined>()
    same<typeof client.ip, string>()
    same<typeof connection.listener, Undeclared<"add 'listener' to reads">>()
    // @ts-expect-error no request
    context.request
  },
})

definePlugin({
  name: 'tls-has-its-scopes',
  reads: ['tls.serverName', 'tls.client.verified', 'tls.client.san'],
  when: { tls: { serverName: ['*.a.example'], version: ['1.3'], client: { verified: true, san: ['DNS:a'] } } },
  onConnect({ connection: { tls } }) {
    same<typeof tls.serverName, string | undefined>()
    same<typeof tls.version, Undeclared<"add 'tls.version' to reads">>()
    same<typeof tls.client.verified, boolean | undefined>()
    same<typeof tls.client.san, readonly string[] | undefined>()
    same<typeof tls.client.subject, Undeclared<"add 'tls.client.subject' to reads">>()
  },
})

definePlugin({
  name: 'a-trigger-of-tls-is-checked',
  // @ts-expect-error no such version
  when: { tls: { version: ['1.1'] } },
})

definePlugin({
  name: 'scopes-are-checked',
  // @ts-expect-error no such field
  reads: ['header'],
  // @ts-expect-error the client's address cannot be changed
  writes: ['client.ip'],
})

definePlugin({
  name: 'each-hook-sees-its-own',
  onConnect(context) {
    // @ts-expect-error no request yet
    context.request
  },
  onRequest({ request, client, ...context }) {
    // @ts-expect-error read only
    request.path = '/'
    // @ts-expect-error read only
    client.ip = '192.0.2.1'
    // @ts-expect-error no chunk
    context.chunk
  },
})

definePlugin({
  name: 'what-is-declared-can-be-read',
  reads: ['path', 'header:X-Known', 'query:a', 'cookie:c', 'client.ip', 'backend', 'response.header:ETag'],
  onRequest({ request, client, connection }) {
    same<typeof request.path, string>()
    same<typeof client.ip, string>()
    request.header('X-Known')
    request.header('x-known')
    request.parameter('a')
    request.cookie('c')
    same<typeof request.method, Undeclared<"add 'method' to reads">>()
    same<typeof client.port, Undeclared<"add 'client.port' to reads">>()
    same<typeof connection.peer.ip, Undeclared<"add 'peer.ip' to reads">>()
    same<typeof connection.upstream, Undeclared<"add 'upstream' to reads">>()
    same<typeof request.consumer, Undeclared<"add 'consumer' to reads">>()
    // @ts-expect-error not in `reads`
    request.header('x-other')
    // @ts-expect-error not in `reads`
    request.parameter('b')
    // @ts-expect-error not in `reads`; case matters
    request.cookie('C')
    // @ts-expect-error it may be any name
    request.header(request.path)
    // @ts-expect-error only for header:*
    request.headers().length
    // @ts-expect-error what is not declared is no text
    const method: string = request.method
    return method === '' ? reply(400) : undefined
  },
  onResponse({ response, backend }) {
    same<typeof backend, Backend | undefined>()
    response.header('ETag')
    response.header('etag')
    // @ts-expect-error not in `reads`
    response.header('age')
    // @ts-expect-error not in `reads`
    response.status > 399
  },
  onClose({ status, outcome }) {
    same<typeof status, Undeclared<"add 'response.status' to reads">>()
    same<typeof outcome, Undeclared<"add 'outcome' to reads">>()
  },
})

definePlugin({
  name: 'statuses-of-grpc',
  reads: ['grpc.status'],
  onResponse({ response }) {
    same<typeof response.grpcStatus, number | undefined>()
  },
  onClose({ grpcStatus, status }) {
    same<typeof grpcStatus, number | undefined>()
    same<typeof status, Undeclared<"add 'response.status' to reads">>()
  },
})

definePlugin({
  name: 'wildcards-and-wholes',
  reads: ['header:*', 'query'],
  writes: ['header:*', 'response.header:*'],
  onRequest({ request }) {
    request.header(request.query)
    request.cookie(request.query)
    request.parameter(request.query)
    request.setHeader(request.query, '')
    same<ReturnType<typeof request.headers>, [name: string, value: string][]>()
  },
  onResponse({ response, request }) {
    response.setHeader(request.query, '')
    // @ts-expect-error writing is not reading
    response.header('etag')
  },
})

definePlugin({
  name: 'what-is-declared-can-be-written',
  writes: ['header:x-a', 'response.header:set-cookie'],
  onConnect({ connection }) {
    // @ts-expect-error not in `writes`
    connection.useUpstream('b')
  },
  onRequest({ request }) {
    request.setHeader('x-a', '1')
    request.removeHeader('X-A')
    // @ts-expect-error not in `writes`
    request.setHeader('x-b', '1')
    // @ts-expect-error not in `writes`
    request.removeHeader('x-b')
    // @ts-expect-error not in `writes`
    request.useUpstream('b')
    // @ts-expect-error not in `writes`
    request.consumer = 'bob'
  },
  onResponse({ response }) {
    response.appendHeader('set-cookie', 'a=1')
    // @ts-expect-error not in `writes`
    response.appendHeader('vary', 'accept')
  },
})

definePlugin({
  name: 'a-response-is-prepared-not-read',
  reads: ['response.status', 'grpc.status', 'response.header:*'],
  writes: ['response.header:X-A', 'response.body'],
  onRequest({ response }) {
    response.setHeader('x-a', '1')
    response.appendHeader('X-A', '2')
    response.removeHeader('x-a')
    // @ts-expect-error not in `writes`
    response.setHeader('x-b', '1')
    // @ts-expect-error there is no response yet
    response.status
    // @ts-expect-error there is no response yet
    response.grpcStatus
    // @ts-expect-error there is no response yet
    response.header('x-a')
    // @ts-expect-error there is no response yet
    response.headers()
    // @ts-expect-error there is no response yet
    response.setBody('')
    prepare(response)
  },
  onResponse({ response }) {
    prepare(response)
  },
})

function prepare(response: PreparedResponse): void {
  response.setHeader('x-a', '1')
}

definePlugin({
  name: 'consumer-and-upstream',
  writes: ['consumer', 'upstream'],
  onRequest({ request }) {
    request.consumer = 'bob'
    request.consumer = undefined
    request.useUpstream('b')
    // @ts-expect-error not in `writes`
    request.setHeader('x-a', '1')
  },
})

definePlugin({
  name: 'nothing-declared-nothing-read-or-written',
  onRequest({ request }) {
    // @ts-expect-error not in `reads`
    request.path.length
    // @ts-expect-error not in `writes`
    request.setHeader('x-a', '1')
  },
})

definePlugin({
  name: 'a-function-allows-everything',
  // A function may stand behind the hooks that it is for.
  onRequest({ request, options }) {
    request.header(options.name)
    request.setHeader(options.name, request.path)
    request.consumer = request.consumer ?? 'nobody'
  },
  options: { type: 'object', properties: { name: { type: 'string', default: 'x' } } },
  reads: ({ name }) => ['path', 'consumer', `header:${name}`],
  writes: ({ name }) => ['consumer', `header:${name}`],
})

const dynamic: readonly `header:${string}`[] = ['header:x-a']
definePlugin({
  name: 'a-list-of-anything-allows-anything',
  reads: dynamic,
  onRequest({ request }) {
    request.header(String(request.headers().length))
    // @ts-expect-error no header
    request.path.length
  },
})

function anything(request: Request, client: Client): string {
  return client.ip + request.path
}

function header(request: Pick<Request, 'header'>): string | undefined {
  return request.header('x-a')
}

definePlugin({
  name: 'helpers',
  reads: ['header:x-a'],
  onRequest({ request, client }) {
    header(request)
    // @ts-expect-error it may read more than is declared
    anything(request, client)
  },
})

definePlugin({
  name: 'helpers-of-a-function',
  reads: () => ['client.ip', 'path'],
  writes: ['header:x-a'],
  onRequest({ request, client }) {
    request.setHeader('x-a', anything(request, client))
  },
})

definePlugin({
  name: 'triggers',
  options: { type: 'object', properties: { paths: { type: 'array', items: { type: 'string' }, default: [] } } },
  when: ({ paths }) => ({ paths, methods: ['GET'], headers: ['x-a'] }),
  answers: true,
})

definePlugin({
  name: 'no-such-trigger',
  // @ts-expect-error hosts are not looked at
  when: { hosts: ['a.example'] },
})

definePlugin({
  name: 'no-such-hook',
  // @ts-expect-error misspelt
  onRequset() {},
})

// @ts-expect-error a plugin has a name
definePlugin({})

definePlugin({
  name: 'every-grant-has-its-type',
  needs: ['fetch', 'jwt', 'kv', 'log', 'metric'],
  async onRequest(context) {
    const { fetch, jwt, kv, log, metric } = context
    const answer = await fetch('https://id.example.com', { method: 'POST', headers: { a: 'b' }, body: 'c', timeout: 1 })
    same<typeof answer, FetchResponse>()
    const { claims } = await jwt.verify('token', { jwksUrl: 'https://id.example.com', algorithms: ['RS256'] })
    same<typeof claims, Readonly<Record<string, unknown>>>()
    same<ReturnType<typeof kv.get>, Promise<string | undefined>>()
    same<ReturnType<typeof log.info>, void>()
    metric.count('hits', 1, { route: 'a' })
    // @ts-expect-error no such algorithm
    await jwt.verify('token', { secret: 's', algorithms: ['none'] })
    // @ts-expect-error no such field
    await fetch('https://id.example.com', { redirect: 'follow' })
    // @ts-expect-error how long is never left open
    await kv.set('key', 'value')
    // @ts-expect-error a line is text
    log.info({ message: 'text' })
    // @ts-expect-error not in `needs`
    context.counter
  },
})
