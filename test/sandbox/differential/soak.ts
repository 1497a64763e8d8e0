// The differential test for hours: many flows at the same time, in sandboxes that are warm. A fifth of the CPU time that a
// flow takes in the test. Prints each flow that differs:
// SEED=1 SECONDS=3600 nice node --no-node-snapshot --conditions=postern-source test/sandbox/differential/soak.ts
import fc from 'fast-check'
import { bundleAll, openCast } from './cast.ts'
import { countsOf, faultsOf, play } from './play.ts'
import { drawCast, type FlowScript, flowScript } from './script.ts'

/** Flows at the same time, at most; flows of each cast. */
const { SEED = '1', SECONDS = '60', FLOWS = '200', EACH = '3000' } = process.env
const began = performance.now()
const end = began + Number(SECONDS) * 1_000
/** A process that others go before must not be told from a hook that waits too long. */
const limits = { wait: 3_600_000 }
const bundles = await bundleAll()
let total = 0
let wrong = 0

for (let seed = Number(SEED); performance.now() < end; seed++) await compare(seed)
for (const { inspector } of Object.values(bundles)) inspector.close()
process.exitCode = wrong === 0 ? 0 : 1

async function compare(seed: number): Promise<void> {
  const drawn = drawCast(seed)
  const next = mixed(seed, drawn.lines.length)
  const manner = seed % 4 === 0 ? 'together' : 'fused'
  const alone = openCast(bundles, drawn, 'alone', { limits })
  const together = openCast(bundles, drawn, manner, { limits })
  let flows = 0
  const before = wrong
  for (let round = 0; flows < Number(EACH) && performance.now() < end; round++) {
    const scripts = next(Number(FLOWS))
    const [expected, found] = await Promise.all([
      play(alone, `c${round}`, scripts),
      play(together, `c${round}`, scripts),
    ])
    flows += scripts.length
    for (const [i, script] of scripts.entries()) same({ seed, manner, script }, found[i], expected[i])
  }
  // Where flows differ, so do these.
  if (wrong === before)
    same({ seed, manner }, [countsOf(together), faultsOf(together)], [countsOf(alone), faultsOf(alone)])
  alone.sandbox.close()
  together.sandbox.close()
  total += flows
  const { user, system } = process.cpuUsage()
  const speed = (total / (performance.now() - began)) * 1_000
  console.log(
    `seed ${seed}: ${total} flows, ${wrong} wrong; ${((user + system) / total).toFixed()} µs of CPU and ${speed.toFixed()} a second`,
  )
}

function same(what: object, found: unknown, expected: unknown): void {
  if (JSON.stringify(found) === JSON.stringify(expected)) return
  wrong++
  console.log(JSON.stringify({ ...what, found, expected }))
}

/** Scripts that mix parts of some that fast-check has drawn: to draw each of them would take longer than to run it. */
function mixed(seed: number, lines: number): (most: number) => FlowScript[] {
  const pool = fc.sample(flowScript(lines), { numRuns: 500, seed })
  let state = seed
  // Lehmer's.
  const random = (below: number): number => {
    state = (state * 48_271 + 1) % 2_147_483_647
    return state % below
  }
  const pick = (): FlowScript => pool[random(pool.length)]!
  const one = (): FlowScript => {
    const cut = random(17)
    const acts = [...pick().acts.slice(0, cut), ...pick().acts.slice(cut)]
    const moved = acts.map((act) => (random(4) === 0 ? { ...act, at: random(21) } : act))
    return { ...pick(), response: pick().response, line: random(lines), acts: moved }
  }
  return (most) => Array.from({ length: 1 + random(random(4) === 0 ? 12 : most) }, one)
}
