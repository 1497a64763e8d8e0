// Prints what policies add to a request, by how many there are, in how many isolates, and how many requests come at
// once: node --no-node-snapshot --conditions=postern-source test/sandbox/bench.ts
import { ask, compileChain } from '../../core/hooks/chain.ts'
import { compilePolicy, type Policy } from '../../core/hooks/policy.ts'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import type { CrossingGuard } from '../../core/sandbox/crossing-guard.ts'
import { defaultLimits } from '../../core/sandbox/limits.ts'
import type { Instance, Sandbox } from '../../core/sandbox/plugin.ts'
import { createSandbox } from '../../core/sandbox/sandbox.ts'
import { requestFlow } from '../hooks/flow.ts'
import { fixture } from './harness.ts'

const plugin = await bundlePlugin({ file: fixture('hostile'), publisher: 'local' })
const crossings = { count: 0, steps: 0 }
const guard: CrossingGuard = {
  progress: new SharedArrayBuffer(8),
  enter: (calls) => {
    crossings.count++
    crossings.steps += calls.length
  },
  leave: () => {},
}

function compile(policies: number, groupOf: (i: number) => string): { chain: readonly Policy[]; sandbox: Sandbox } {
  const instances: Instance[] = []
  const chain = Array.from({ length: policies }, (_, i) => {
    const scopes = { reads: ['path'], writes: ['header:x-seen'] }
    const { policy, instance } = compilePolicy(
      {
        name: `p${i}`,
        plugin,
        options: {},
        scopes,
        onFailure: 'reject',
        limits: defaultLimits,
        fetch: [],
        group: groupOf(i),
      },
      i,
    )
    instances.push(instance)
    return policy
  })
  const grants = { perform: async () => [], metrics: () => [] }
  return { chain, sandbox: createSandbox({ instances, grants, guard }) }
}

/** CPU of one request, µs, that of the empty turns of the loop around it included. */
async function measure(policies: number, groupOf: (i: number) => string, parallel: number): Promise<number> {
  const { chain: list, sandbox } = compile(policies, groupOf)
  const chain = compileChain(list)
  const one = (): Promise<void> =>
    new Promise((done) =>
      ask(requestFlow(sandbox, ['host', 'example.com', 'accept', '*/*']), 'onRequest', chain, 0, () => done()),
    )
  const round = async (): Promise<void> => {
    await Promise.all(Array.from({ length: parallel }, one))
    await new Promise(setImmediate)
  }
  const rounds = Math.ceil(30_000 / parallel)
  for (let i = 0; i < rounds / 3; i++) await round()
  crossings.count = 0
  crossings.steps = 0
  const began = process.cpuUsage()
  for (let i = 0; i < rounds; i++) await round()
  const { user, system } = process.cpuUsage(began)
  sandbox.close()
  return (user + system) / rounds / parallel
}

console.log('policies  isolates  parallel  µs a request   added   steps a crossing')
for (const parallel of [1, 24]) {
  const base = await measure(0, () => 'one', parallel)
  for (const [policies, isolates] of [
    [0, 0],
    [1, 1],
    [3, 1],
    [3, 3],
  ] as const) {
    const cost = await measure(policies, (i) => `g${i % isolates}`, parallel)
    const batch = crossings.count === 0 ? 0 : crossings.steps / crossings.count
    const cells = [cost.toFixed(2).padStart(14), (cost - base).toFixed(2).padStart(8), batch.toFixed(1).padStart(12)]
    console.log(`${policies}`.padEnd(10) + `${isolates}`.padEnd(10) + `${parallel}`.padEnd(8) + cells.join(''))
  }
}
