import { describe, expect, test } from 'vitest'
import { ask, compileChain } from '../../core/hooks/chain.ts'
import type { Policy } from '../../core/hooks/policy.ts'
import { findRuns } from '../../core/hooks/runs.ts'
import { readerOf } from '../../core/hooks/scopes.ts'
import type { HookCall, Sandbox } from '../../core/sandbox/plugin.ts'
import cases from '../cases/sandbox/together.json' with { type: 'json' }
import { requestFlow } from '../hooks/flow.ts'

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
  const flow = requestFlow(sandbox)
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

test('a call keeps nothing of what it was given, however long it waits: that is read from the flow again', () => {
  const calls: HookCall[] = []
  const sandbox = { skipped: () => {}, call: (call: HookCall) => calls.push(call) } as unknown as Sandbox
  const flow = requestFlow(sandbox, ['x-a', 'first'])
  const policy = {
    ...{ instance: 0, group: 'g', bodies: {}, scopes: { reads: ['header:x-a'], writes: [] } },
    readers: { onRequest: [readerOf('header:x-a')] },
  } as unknown as Policy
  ask(flow, 'onRequest', compileChain([policy]), 0, () => {})
  const [call] = calls
  for (const value of ['first', 'second']) {
    flow.facts.requestFields!.set('x-a', value)
    flow.facts.states[0] = `state of the ${value}`
    expect(call!.text).toBe(`2${value}\x1estate of the ${value}\x1e`)
    expect(call!.steps[0]!.input).toBe(`L7\x1estate of the ${value}\x1e${value}`)
  }
})

describe('policies that cross together', () => {
  test.each(cases)('$name', ({ hook, policies, joins }) => {
    const compiled = policies.map(({ group = 'g', reads = [], writes = [], when = [] }: Case) => {
      return {
        group,
        bodies: {},
        scopes: { reads, writes },
        when: { reads: when, matches: () => true },
      } as unknown as Policy
    })
    expect(findRuns(hook as 'onRequest', compiled)).toEqual(joins)
  })
})

interface Case {
  group?: string
  reads?: string[]
  writes?: string[]
  when?: string[]
}
