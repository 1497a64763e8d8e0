import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { normalizeScopes } from '../../core/check/scopes.ts'
import type { PosternError } from '../../core/errors.ts'
import { ask, type Chain, compileChain, type HookFlow, pass } from '../../core/hooks/chain.ts'
import { compilePolicy, type Policy } from '../../core/hooks/policy.ts'
import { applyPrepared, isAwaitedBy, type Prepared } from '../../core/hooks/prepared.ts'
import { Fields } from '../../core/http/fields.ts'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import { openInspector } from '../../core/sandbox/inspect.ts'
import { defaultLimits } from '../../core/sandbox/limits.ts'
import type { Instance, Sandbox } from '../../core/sandbox/plugin.ts'
import { createSandbox } from '../../core/sandbox/sandbox.ts'
import type { Reply } from '../../sdk/reply.ts'
import { fixture } from '../sandbox/harness.ts'
import { requestFlow, type TestFlow } from './flow.ts'

const names = ['x-a', 'x-b', 'x-c', 'set-cookie', 'content-type']

/** What a policy does; `behind` prepares the first `ahead` of its changes, `ahead` all of them. */
interface Spec {
  readonly changes: readonly string[]
  readonly ahead: number
  readonly reads: readonly string[]
  readonly types: readonly string[]
  readonly act: string
  readonly onFailure: 'reject' | 'continue'
  readonly group: string
}

/** Enough different policies that random chains of them meet every rule. */
const specs: readonly Spec[] = fc
  .sample(
    fc.record({
      changes: fc.array(
        fc.tuple(fc.constantFrom('set', 'set', 'append', 'append', 'remove'), fc.constantFrom(...names), fc.nat(9)),
        { maxLength: 4 },
      ),
      ahead: fc.nat(3),
      reads: fc.subarray(names, { maxLength: 2 }),
      types: fc.constantFrom([], [], [], ['text/html'], ['text/*']),
      act: fc.constantFrom(
        '',
        '',
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
      ),
      onFailure: fc.constantFrom('reject' as const, 'continue' as const),
      group: fc.constantFrom('one', 'one', 'one', 'two'),
      isReader: fc.boolean(),
    }),
    { numRuns: 40, seed: 5 },
  )
  .map(({ changes, reads, types, isReader, ...spec }, i) => {
    const texts = changes.map(([how, name, n]) => {
      if (name === 'content-type')
        return how === 'remove' ? `remove ${name}` : `set ${name} ${n < 5 ? 'text/html' : 'image/png'}`
      return `${how} ${name} ${i}.${n}`
    })
    // Not the same: what an onResponse reads and is triggered by is prepared already, and not yet written; what it has
    // prepared stays when it throws.
    const own =
      isReader || spec.act === 'throw late'
        ? []
        : types.length > 0
          ? texts.filter((text) => !text.includes('content-type'))
          : texts
    return { ...spec, types, changes: own, reads: isReader ? reads : [] }
  })

interface Side {
  readonly policies: readonly Policy[]
  readonly sandbox: Sandbox
}

/** The ways in which each spec can be had: all in onResponse, some of it prepared, all of it prepared. */
const ways = ['late', 'split', 'ahead'] as const
type Way = (typeof ways)[number]

async function compile(way: Way): Promise<Side> {
  const kinds = { ahead: await load('ahead'), behind: await load('behind') }
  const instances: Instance[] = []
  const policies = specs.map(({ onFailure, group, ahead, ...rest }, i) => {
    // A policy that reads the response needs its onResponse.
    const isWhole = way === 'ahead' && rest.reads.length === 0 && !['replace', 'throw late'].includes(rest.act)
    const { plugin, inspector } = kinds[isWhole ? 'ahead' : 'behind']
    const count = way === 'late' ? 0 : way === 'split' ? ahead : rest.changes.length
    const options = { label: `${i}`, ahead: count, ...rest }
    const { scopes } = normalizeScopes(inspector.scopes(options))
    const limits = { ...defaultLimits, time: 1_000 }
    const checked = { name: `p${i}`, plugin, options, scopes, onFailure, limits, fetch: [], group }
    const { policy, instance } = compilePolicy(checked, i)
    instances.push(instance)
    return policy
  })
  for (const { inspector } of Object.values(kinds)) inspector.close()
  const grants = { perform: async () => ['done'], metrics: () => [] }
  return { policies, sandbox: createSandbox({ instances, grants }) }
}

async function load(name: string) {
  const plugin = await bundlePlugin({ file: fixture(`preparing/${name}`), publisher: 'local' })
  return { plugin, inspector: openInspector(plugin.script, plugin) }
}

let sides: Record<Way, Side>
beforeAll(async () => {
  sides = { late: await compile('late'), split: await compile('split'), ahead: await compile('ahead') }
})
afterAll(() => {
  for (const { sandbox } of Object.values(sides)) sandbox.close()
})

interface Outcome {
  readonly reply: unknown
  readonly reached: number
  readonly replaced: readonly unknown[]
  readonly response: readonly string[]
}

/** The result of a flow through these policies of one side, and how many calls `onResponse` made. */
async function outcomeOf(way: Way, indexes: readonly number[]): Promise<{ outcome: Outcome; calls: number }> {
  const side = sides[way]
  const chain = compileChain(indexes.map((index) => side.policies[index]!))
  let calls = 0
  const replaced: unknown[] = []
  const flow = createFlow(side.sandbox, () => calls++, replaced)
  const result = await new Promise<Reply | PosternError | undefined>((done) => ask(flow, 'onRequest', chain, 0, done))
  calls = 0
  await respond(flow, chain)
  expect(flow.facts.prepared).toBeUndefined()
  const { reached, facts } = flow
  return { outcome: { reply: wordsOf(result), reached, replaced, response: facts.responseFields!.list }, calls }
}

/** As the flow of a request does. */
function respond(flow: HookFlow, chain: Chain): Promise<void> | void {
  if (chain.steps.onResponse.length === 0) return applyPrepared(flow.facts, 0)
  return new Promise<void>((done) => pass(flow, chain, done))
}

function createFlow(sandbox: Sandbox, onCall: () => void, replaced: unknown[]): TestFlow {
  const counting: Sandbox = {
    ...sandbox,
    call: (call) => {
      onCall()
      sandbox.call(call)
    },
  }
  const flow = requestFlow(counting, [], {
    replaceResponse: (by, { name }) => {
      replaced.push(name, wordsOf(by))
      const fields = by instanceof Error ? ['content-type', 'text/html'] : by.headers.flat()
      flow.response = { status: 500, fields: new Fields(fields) }
    },
  })
  flow.response = { status: 200, fields: new Fields(['content-type', 'text/html', 'x-a', 'b']) }
  return flow
}

/** Messages name the plugin, which is not the same in each way. */
function wordsOf(result: Reply | PosternError | undefined): unknown {
  return result instanceof Error ? result.code : result
}

test('headers prepared in onRequest make the same response as those written in onResponse', async () => {
  let saved = 0
  let changed = 0
  const chain = fc.array(fc.nat(specs.length - 1), { minLength: 1, maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(chain, async (indexes) => {
      const late = await outcomeOf('late', indexes)
      expect((await outcomeOf('split', indexes)).outcome).toEqual(late.outcome)
      const ahead = await outcomeOf('ahead', indexes)
      expect(ahead.outcome).toEqual(late.outcome)
      saved += late.calls - ahead.calls
      if (late.outcome.response.length !== 4) changed++
    }),
    { numRuns: 300 },
  )
  expect(saved).toBeGreaterThan(100)
  expect(changed).toBeGreaterThan(100)
}, 60_000)

test('what a policy has prepared is looked through once, however many of the others read the response', () => {
  let looks = 0
  const operation = (name: string): readonly string[] => {
    return {
      *[Symbol.iterator]() {
        looks++
        yield* ['R', name, '1']
      },
    } as unknown as readonly string[]
  }
  const flow = requestFlow(sides.late.sandbox)
  const operations = Array.from({ length: 1_000 }, (_, i) => operation(`X-${i}`))
  const one: Prepared = { policy: sides.late.policies[0]!, index: 20, operations, names: undefined, before: undefined }
  flow.facts.prepared = one
  const reader = (name: string): Policy => ({ responseReads: [name] }) as unknown as Policy
  const awaited = ['x-1000', 'x-999', 'x-0', '*', 'x'].map((name) => isAwaitedBy(reader(name), 3, flow.facts))
  expect(awaited).toEqual([false, true, true, true, false])
  expect(isAwaitedBy(reader('x-0'), 21, flow.facts)).toBe(false)
  expect(looks).toBe(1_000)
})
