import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { normalizeScopes } from '../../core/check/scopes.ts'
import type { PosternError } from '../../core/errors.ts'
import { ask, compileChain, type HookFlow, pass, tell } from '../../core/hooks/chain.ts'
import { compilePolicy, type Policy } from '../../core/hooks/policy.ts'
import { findSegments } from '../../core/hooks/segments.ts'
import { Fields } from '../../core/http/fields.ts'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import { openInspector } from '../../core/sandbox/inspect.ts'
import { defaultLimits } from '../../core/sandbox/limits.ts'
import type { HookCall, Instance, Sandbox } from '../../core/sandbox/plugin.ts'
import { createSandbox } from '../../core/sandbox/sandbox.ts'
import type { Reply } from '../../sdk/reply.ts'
import cases from '../cases/sandbox/segments.json' with { type: 'json' }
import { fixture } from './harness.ts'

const acts = [
  '',
  '',
  '',
  'wait',
  'reply',
  'throw',
  'wait and throw',
  'stray',
  'replace',
  'throw late',
  'throw at the end',
]
const fields = [
  'header:x-a',
  'header:x-b',
  'header:*',
  'consumer',
  'response.header:x-a',
  'response.header:*',
  'response.status',
  'cookie:c',
]
const writable = ['header:x-a', 'header:x-b', 'header:cookie', 'consumer', 'response.header:x-a', 'response.header:x-b']

interface Mark {
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  readonly act: string
  readonly onFailure: 'reject' | 'continue'
  readonly group: string
}

/** Enough different policies that random chains of them meet every rule. */
const marks: readonly Mark[] = fc.sample(
  fc.record({
    reads: fc.subarray(fields, { maxLength: 2 }),
    writes: fc.subarray(writable, { maxLength: 2 }),
    act: fc.constantFrom(...acts),
    onFailure: fc.constantFrom('reject', 'continue'),
    group: fc.constantFrom('one', 'one', 'one', 'two'),
  }),
  { numRuns: 32, seed: 7 },
)

async function compile(groupOf: (mark: Mark, i: number) => string): Promise<{ policies: Policy[]; sandbox: Sandbox }> {
  const plugin = await bundlePlugin({ file: fixture('mark'), publisher: 'local' })
  const inspector = openInspector(plugin.script, plugin)
  const instances: Instance[] = []
  const policies = marks.map((mark, i) => {
    const { reads, act, onFailure } = mark
    // A header that no policy reads by name, so that it shows what each policy saw of a response.
    const writes = [...mark.writes, `response.header:x-seen-${i}`]
    const options = { label: String(i), reads, writes, act }
    const { scopes } = normalizeScopes(inspector.scopes(options))
    const limits = { ...defaultLimits, time: 1_000 }
    const checked = { name: `p${i}`, plugin, options, scopes, onFailure, limits, fetch: [], group: groupOf(mark, i) }
    const { policy, instance } = compilePolicy(checked, i)
    instances.push(instance)
    return policy
  })
  inspector.close()
  const grants = { perform: async () => ['done'], metrics: () => [] }
  return { policies, sandbox: createSandbox({ instances, grants }) }
}

let together: Awaited<ReturnType<typeof compile>>
let apart: Awaited<ReturnType<typeof compile>>
beforeAll(async () => {
  together = await compile(({ group }) => group)
  apart = await compile((_mark, i) => `own ${i}`)
})
afterAll(() => {
  together.sandbox.close()
  apart.sandbox.close()
})

/** The result of a whole flow through these policies, and the number of calls it took. */
async function traceOf(
  side: typeof together,
  indexes: readonly number[],
): Promise<{ trace: unknown[]; calls: number }> {
  const trace: unknown[] = []
  let calls = 0
  const sandbox: Sandbox = {
    ...side.sandbox,
    call: (call) => {
      calls++
      side.sandbox.call(call)
    },
  }
  const flow = createFlow(sandbox, trace)
  const chain = compileChain(indexes.map((index) => side.policies[index]!))
  const result = await new Promise<Reply | PosternError | undefined>((done) => ask(flow, 'onRequest', chain, 0, done))
  const { facts } = flow
  trace.push(wordsOf(result), flow.reached, facts.consumer, facts.requestFields!.list, [...facts.states])
  await new Promise<void>((done) => pass(flow, chain, done))
  trace.push(facts.responseFields!.list)
  await new Promise<void>((done) => tell(flow, chain, done))
  trace.push(flow.awaited)
  return { trace, calls }
}

function createFlow(sandbox: Sandbox, trace: unknown[]): HookFlow {
  const request = {
    id: 'r',
    method: 'GET',
    scheme: 'http',
    host: 'h',
    path: '/',
    query: '',
    fields: new Fields(['cookie', 'c=1', 'x-a', '0']),
    consumer: undefined as string | undefined,
  }
  let response = { status: 200, fields: new Fields(['x-a', 'b']) }
  const facts: HookFlow['facts'] = {
    layer: 'L7',
    id: 'r',
    clientIp: '192.0.2.1',
    clientPort: 1,
    peerIp: '192.0.2.1',
    localPort: 80,
    listenerName: 'web',
    routeName: undefined,
    upstreamName: undefined,
    request,
    get response() {
      return response
    },
    backend: undefined,
    candidates: [],
    outcome: '',
    requestFields: request.fields,
    get responseFields() {
      return response.fields
    },
    get consumer() {
      return request.consumer
    },
    set consumer(name) {
      request.consumer = name
    },
    states: [],
    upstreamProblem: () => undefined,
    useUpstream: () => {},
  }
  return {
    facts,
    sandbox,
    ended: false,
    reached: 0,
    awaited: undefined,
    onHook: ({ policy, hook, ran, error }) => ran && trace.push([policy.name, hook, wordsOf(error)]),
    replaceResponse: (by, { name }) => {
      trace.push(['replaced', name, wordsOf(by)])
      response = { status: 500, fields: new Fields(['x-new', name]) }
    },
  }
}

/** Stack traces may differ, messages must not. */
function wordsOf(result: Reply | PosternError | undefined): unknown {
  return result instanceof Error ? [result.code, result.message.split('\n')[0]] : result
}

test('a chain has the same result whether its policies cross together or each alone', async () => {
  let saved = 0
  const chain = fc.array(fc.nat(marks.length - 1), { minLength: 1, maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(chain, async (indexes) => {
      const [one, other] = [await traceOf(together, indexes), await traceOf(apart, indexes)]
      expect(one.trace).toEqual(other.trace)
      expect(one.calls).toBeLessThanOrEqual(other.calls)
      saved += other.calls - one.calls
    }),
    { numRuns: 300 },
  )
  expect(saved).toBeGreaterThan(300)
}, 60_000)

test('a policy whose trigger does not match is passed over at its turn, and only then', () => {
  const passed: number[] = []
  const settled: number[][] = []
  const asked: number[][] = []
  const policies = [0, 1, 2, 3, 4, 5].map((instance) => {
    const when = { reads: [], matches: () => ![0, 2, 5].includes(instance) }
    const scopes = { reads: [], writes: [] }
    const readers = { onRequest: [] }
    return {
      name: `p${instance}`,
      plugin: 'x',
      onFailure: 'reject',
      instance,
      group: 'g',
      bodies: {},
      scopes,
      when,
      readers,
    }
  }) as unknown as Policy[]
  const sandbox = {
    skipped: (instance: number) => passed.push(instance),
    call: (call: HookCall) => {
      const { steps } = call
      asked.push(steps.map(({ instance }) => instance))
      for (const [i, { instance }] of steps.entries()) {
        const operations = instance === 4 ? [['Y', '403', '', '']] : []
        settled.push([instance, flow.reached, ...passed])
        if (!call.settle(i, { kind: 'done', operations })) return
      }
    },
  } as unknown as Sandbox
  const flow = createFlow(sandbox, [])
  let by: string | undefined
  ask(flow, 'onRequest', compileChain(policies), 0, (_result, policy) => {
    by = policy?.name
  })
  expect(asked).toEqual([[1, 3, 4]])
  expect(settled).toEqual([
    [1, 2, 0],
    [3, 4, 0, 2],
    [4, 5, 0, 2],
  ])
  expect([by, flow.reached, passed]).toEqual(['p4', 5, [0, 2]])
})

describe('segments', () => {
  test.each(cases)('$name', ({ hook, policies, joins }) => {
    const compiled = policies.map(({ group = 'g', reads = [], writes = [], when = [] }: Case) => {
      return {
        group,
        bodies: {},
        scopes: { reads, writes },
        when: { reads: when, matches: () => true },
      } as unknown as Policy
    })
    expect(findSegments(hook as 'onRequest', compiled)).toEqual(joins)
  })
})

interface Case {
  group?: string
  reads?: string[]
  writes?: string[]
  when?: string[]
}
