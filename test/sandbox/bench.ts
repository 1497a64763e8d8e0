// Prints the cost of hook calls by the size of the crowd: node --no-node-snapshot --conditions=postern-source test/sandbox/bench.ts
import type { Verdict } from '../../core/sandbox/plugin.ts'
import { openHarness } from './harness.ts'

const harness = await openHarness([{ plugin: 'hostile' }, { plugin: 'budget', fields: ['path', 'client.ip'] }])

async function measure(name: string, crowd: number, call: () => Promise<Verdict>): Promise<void> {
  const round = async (): Promise<unknown> => Promise.all(Array.from({ length: crowd }, call))
  for (let i = 0; i < 500; i++) await round()
  const rounds = Math.ceil(20_000 / crowd)
  const began = process.cpuUsage()
  for (let i = 0; i < rounds; i++) await round()
  const { user, system } = process.cpuUsage(began)
  const cost = (user + system) / rounds
  console.log(`${name}, ${crowd} at once: ${cost.toFixed(1)} µs a turn, ${(cost / crowd).toFixed(2)} µs a call`)
}

for (const crowd of [1, 8, 24, 64]) await measure('one header set', crowd, () => harness.run(0, '/x'))
for (const crowd of [1, 24]) await measure('three grants', crowd, () => harness.run(1, '/x', '192.0.2.1'))
harness.sandbox.close()
