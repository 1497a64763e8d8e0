import { describe, expect, test } from 'vitest'
import { ask, compileChain, type HookFlow } from '../../core/hooks/chain.ts'
import type { Policy } from '../../core/hooks/policy.ts'
import { findRuns } from '../../core/hooks/runs.ts'
import { Fields } from '../../core/http/fields.ts'
import type { HookCall, Sandbox } from '../../core/sandbox/plugin.ts'
import cases from '../cases/sandbox/together.json' with { type: 'json' }

function createFlow(sandbox: Sandbox): HookFlow {
  const request = {
    id: 'r',
    method: 'GET',
    scheme: 'http',
    host: 'h',
    path: '/',
    query: '',
    fields: new Fields(['cookie', 'c=1', 'x-a', '0']),
    consumer: undefined,
  }
  const response = { status: 200, fields: new Fields(['x-a', 'b']) }
  const facts: HookFlow['facts'] = {
    layer: 'L7',
    id: 'r',
    clientIp: '192.0.2.1',
    clientPort: 1,
    peerIp: '192.0.2.1',
    localPort: 80,
    tls: undefined,
    listenerName: 'web',
    routeName: undefined,
    upstreamName: undefined,
    request,
    response,
    backend: undefined,
    candidates: [],
    outcome: '',
    requestFields: request.fields,
    responseFields: response.fields,
    consumer: undefined,
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
    onHook: () => {},
    replaceResponse: () => {},
  }
}

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
  const flow = createFlow(sandbox)
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
