/** Checked by `tsc --noEmit -p test` alone: each `@ts-expect-error` is a mistake that an author must see in the editor. */
import { type CounterLimit, type CounterResult, definePlugin, type Reply, reply } from 'postern/sdk'

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
    // @ts-expect-error no response yet
    context.response
  },
})

// @ts-expect-error a plugin has a name
definePlugin({})
