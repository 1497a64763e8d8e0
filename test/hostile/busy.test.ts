import { createHash } from 'node:crypto'
import type { Agent } from 'node:http'
import { expect, test, vi } from 'vitest'
import { newAgent } from '../helpers/client.ts'
import { cpuOf, onBusyMachine } from './busy-machine.ts'
import { descendants, measurable, serving } from './footprint.ts'
import { type Arena, arena, expectRefused, isGood } from './harness.ts'
import type { Answer } from './send.ts'

vi.setConfig({ testTimeout: 300_000 })

/** How long the requests go on, ms. */
const span = 6_000
/** Connections with one request after the other each. */
const lanes = 12
/** Of the clients, ms: a gateway without a processor is slow, and that is no failure. */
const patience = 60_000
/** A connection to the backend is limited by the clock, and is no affair of plugins. */
const timeouts = { connect: '30s' }
/** The default of `limits.time`, and what may be used beyond it, ms. */
const most = 20 + 1_000
/** Fewer than pause a plugin. */
const rounds = 3

const honest = ['neighbour', 'steady', 'suspended'] as const

/** What the log says of a plugin that has failed, and of isolates. */
function reasons(ring: Arena, plugin: string): string {
  const lines = ring.log().filter(({ msg, plugin: of }) => of === plugin || msg === 'isolate replaced')
  return lines.map(({ msg, message }) => `${msg}: ${message}`).join('; ')
}

/** What one of the honest plugins makes of a request, right or wrong. */
async function ask(ring: Arena, plugin: (typeof honest)[number], n: number, agent: Agent): Promise<string | undefined> {
  const path = plugin === 'neighbour' ? `/good/${n}` : `/bad/${plugin}/${n}`
  const answer = await ring.ask(path, { agent, patience })
  if (plugin === 'neighbour' ? isGood(answer, path) : isRight(answer, plugin, path)) return undefined
  return `${path}: ${answer.status} ${answer.error ?? answer.body.slice(0, 300)}; ${reasons(ring, plugin)}`
}

function isRight({ status, body }: Answer, plugin: 'steady' | 'suspended', path: string): boolean {
  if (status !== 200) return false
  const { headers } = JSON.parse(body) as { headers: Record<string, string> }
  if (plugin === 'steady') return headers['x-steady']?.startsWith(`${path} `) === true
  let sum = path
  for (let i = 0; i < 24; i++) sum = createHash('sha256').update(sum).digest('base64url')
  return headers['x-suspended'] === sum
}

/** Never the same path twice: of each the budget is taken once. */
let n = 0

/** Requests through the honest plugins on all lanes, until `over`. */
async function traffic(ring: Arena, over: () => boolean): Promise<{ good: number; wrong: string[] }> {
  let good = 0
  const wrong: string[] = []
  const lane = async (index: number): Promise<void> => {
    const agent = newAgent({ keepAlive: true, maxSockets: 1 })
    while (!over() && wrong.length < 10) {
      const problem = await ask(ring, honest[index % honest.length]!, ++n, agent)
      if (problem === undefined) good++
      else wrong.push(problem)
    }
    agent.destroy()
  }
  await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)))
  return { good, wrong }
}

/** How many isolates were replaced, and how many calls ran again for it: together with others, and alone. */
function repeats(ring: Arena): string {
  let isolates = 0
  let calls = 0
  let alone = 0
  for (const { msg, message } of ring.log()) {
    if (msg !== 'isolate replaced') continue
    isolates++
    const found = /(alone; .*)?its (?:(\d+) calls run|call runs) again/.exec(String(message))
    if (found?.[1] !== undefined) alone++
    else if (found !== null) calls += Number(found[2] ?? 1)
  }
  return `${isolates} isolates replaced, ${calls} calls of shared crossings and ${alone} lone ones ran again`
}

function expectNobodyBlamed(ring: Arena): void {
  const blamed = ring.log().filter(({ msg, plugin }) => {
    return (msg === 'policy failed' || msg === 'quarantine') && honest.some((name) => name === plugin)
  })
  expect(blamed).toEqual([])
  expect(ring.log().filter(({ msg }) => msg === 'worker died')).toEqual([])
  const paused = ring
    .log()
    .filter(({ message }) => /plugin "(neighbour|steady|suspended)" is paused/.test(`${message}`))
  expect(paused).toEqual([])
}

/** Honest requests beside runaways, in the group of the honest plugins and in another one. */
async function besideRunaways(ring: Arena): Promise<{ good: number; wrong: string[]; answers: Answer[] }> {
  let over = false
  const asked = traffic(ring, () => over)
  const answers: Answer[] = []
  const end = performance.now() + span
  try {
    while (performance.now() < end) {
      const both = ['sync-loop', 'microtask-loop'].map((plugin) => ring.bad(plugin, '/', { patience }))
      answers.push(...(await Promise.all(both)))
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  } finally {
    over = true
  }
  return { ...(await asked), answers }
}

/** CPU time of the workers for a call of a runaway, ms, and what it got. */
async function costOfOne(ring: Arena): Promise<{ cost: number; answers: Answer[] }> {
  const before = cpuOf(serving(ring))
  const answers: Answer[] = []
  for (let i = 0; i < rounds; i++) answers.push(await ring.bad('regex-bomb', '/', { patience }))
  return { cost: (cpuOf(serving(ring)) - before) / rounds, answers }
}

// One gateway for all of it: a reload would compile and check on a machine without a processor to spare.
test.runIf(measurable)(
  'a gateway that hardly gets a processor blames no honest plugin, and stops runaways',
  async () => {
    const runaways = ['sync-loop', 'microtask-loop', 'regex-bomb']
    const ring = await arena([...honest, ...runaways], { timeouts, isolation: { 'microtask-loop': 'plugin' } })
    const pids = [ring.gateway.child.pid!, ...descendants(ring.gateway.child.pid!)]
    await onBusyMachine(pids, async () => {
      const end = performance.now() + span
      const alone = await traffic(ring, () => performance.now() > end)
      console.log(`hostile: busy machine: ${alone.good} good, ${alone.wrong.length} wrong; ${repeats(ring)}`)
      expect(alone.wrong).toEqual([])
      expect(alone.good).toBeGreaterThanOrEqual(lanes)
      expectNobodyBlamed(ring)

      const beside = await besideRunaways(ring)
      const { cost, answers } = await costOfOne(ring)
      const refused = [...beside.answers, ...answers]
      const told = Object.entries(Object.groupBy(refused, ({ status }) => status))
      const got = told.map(([status, all]) => `${all?.length} × ${status}`).join(', ')
      console.log(
        `hostile: busy machine, with runaways: ${beside.good} good, ${beside.wrong.length} wrong; runaways got ${got}, one costs ${cost.toFixed(0)} ms of CPU; ${repeats(ring)} in all`,
      )
      expect(beside.wrong).toEqual([])
      for (const answer of refused) expectRefused(answer, [500, 503])
      await ring.record('the time limit', ({ outcome }) => outcome === 'PT:regex-bomb')
      expect(cost).toBeLessThanOrEqual(most)
      expectNobodyBlamed(ring)
    })
  },
)
