// Prints what single steps cost: node --no-node-snapshot --conditions=postern-source test/bench/micro.ts
import { performance } from 'node:perf_hooks'
import { Fields } from '../../core/http/fields.ts'
import { routeTable } from '../../core/route/table.ts'
import { createBalance } from '../../core/upstream/balance.ts'
import { atOnce } from '../helpers/at-once.ts'
import { openHarness } from '../sandbox/harness.ts'
import { anyFlow, backendsOf } from '../upstream/configs.ts'
import { median, minimum } from './statistics.ts'

/** Rounds of each measurement; the first ones, which warm up, count too: the minimum forgets them. */
const rounds = 9

/** Prints nanoseconds per step. `work` makes that many steps. */
async function report(name: string, steps: number, work: () => void | Promise<void>): Promise<void> {
  const costs: number[] = []
  for (let round = 0; round < rounds; round++) {
    const before = performance.now()
    await work()
    costs.push(((performance.now() - before) * 1e6) / steps)
  }
  process.stdout.write(`${name.padEnd(44)} ${nanoseconds(minimum(costs))} ${nanoseconds(median(costs))}\n`)
}

function nanoseconds(value: number): string {
  return `${value.toFixed(0)} ns`.padStart(12)
}

process.stdout.write(`${''.padEnd(44)} ${'minimum'.padStart(12)} ${'median'.padStart(12)}\n`)

/** What was found, so that no compiler may leave the finding out. */
let found = 0

const steps = 200_000
for (const count of [10, 1_000, 10_000]) {
  const names = Array.from({ length: count }, (_, index) => `r${index}`)
  const exact = atOnce(routeTable(names.map((name) => ({ name, match: { path: `/${name}/items` } }))))
  const prefix = atOnce(
    routeTable(names.map((name) => ({ name, match: { host: `${name}.test`, path: `/${name}/*` } }))),
  )
  const fields = new Fields(['host', 'a.test', 'accept', '*/*'])
  // Made anew for each step: a string that was hashed before would be found faster than any that arrives.
  await report(`route by path, exact, ${count} routes`, steps, () => {
    for (let i = 0; i < steps; i++) {
      const path = `/r${(i * 7_919) % count}/items`
      if (exact.find({ host: 'a.test', path, query: '', method: 'GET', fields }) !== undefined) found++
    }
  })
  await report(`route by host and prefix, ${count} routes`, steps, () => {
    for (let i = 0; i < steps; i++) {
      const name = `r${(i * 7_919) % count}`
      const request = { host: `${name}.test`, path: `/${name}/items/4711`, query: '', method: 'GET', fields }
      if (prefix.find(request) !== undefined) found++
    }
  })
}

for (const kind of ['round-robin', 'least-connections'] as const) {
  for (const count of [1, 3, 100]) {
    const backends = backendsOf(Array.from({ length: count }, (_, index) => 1 + (index % 3)))
    const balance = createBalance(kind)
    await report(`pick, ${kind}, ${count} backends`, steps / 10, () => {
      for (let i = 0; i < steps / 10; i++) if (balance.pick(backends, anyFlow) !== undefined) found++
    })
  }
}

const harness = await openHarness([{ plugin: 'hostile' }, { plugin: 'budget', fields: ['path', 'client.ip'] }])
for (const crowd of [1, 8, 64]) {
  const turns = Math.ceil(4_000 / crowd)
  await report(`hook call, ${crowd} in a crossing`, turns * crowd, async () => {
    for (let turn = 0; turn < turns; turn++) {
      await Promise.all(Array.from({ length: crowd }, () => harness.run(0, '/x')))
    }
  })
}
await report('hook call with three grants, 24 in a crossing', 100 * 24, async () => {
  for (let turn = 0; turn < 100; turn++) {
    await Promise.all(Array.from({ length: 24 }, () => harness.run(1, '/x', '192.0.2.1')))
  }
})
harness.sandbox.close()

if (found === 0) throw new Error('nothing was found')
