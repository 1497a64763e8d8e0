import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../helpers/until.ts'
import type { Target } from '../fleet.ts'
import { pace, saturate } from '../load/generate.ts'
import type { Load, LoadResult } from '../load/load.ts'
import { requestHeaders } from '../peers/peer.ts'
import { type Row, withRatios } from '../results.ts'
import { median } from '../statistics.ts'
import { subjects } from '../subject.ts'
import { warmUp } from '../warm-up.ts'
import type { Bench, Scenario } from './scenario.ts'

/** What a supervisor logs when a configuration is in force. */
const reloaded = '"msg":"reloaded"'

/** Latency while a large configuration is read again, at a third of the rate that the gateway can do. */
export const reload: Scenario = {
  name: 'reload',
  title: 'reload of 10,000 routes and 1,000 upstreams',
  subjects: [subjects.posternReload],
  async run(bench, [subject]) {
    if (subject === undefined) return []
    const target = await bench.fleet.start(subject, 64)
    try {
      const load = { port: target.port, path: '/r/', paths: 10_000, headers: requestHeaders, connections: 64 }
      await warmUp(bench, target, load)
      const most = await saturate(bench.lab, { ...load, seconds: bench.effort.seconds })
      const rate = Math.round(most.requests / most.seconds / 3)
      const rows = await measure(bench, target, { ...load, seconds: bench.effort.seconds * 2, rate })
      const columns = [
        { key: 'p99', title: 'p99 µs', digits: 0 },
        { key: 'p50', title: 'p50 µs', digits: 0 },
        { key: 'rate', title: 'req/s', digits: 0 },
        { key: 'reloads', title: 'reloads', digits: 0 },
      ]
      const title = `${reload.title}, at ${rate} requests/s, a third of what it can do`
      return [{ scenario: 'reload', title, columns, rows }]
    } finally {
      await bench.fleet.stop(target)
    }
  },
}

async function measure(bench: Bench, target: Target, load: Load & { rate: number }): Promise<Row[]> {
  const { process } = target
  const before: LoadResult[] = []
  const windows: { name: string; prepare: () => void; during: LoadResult[]; reloads: number }[] = [
    { name: 'while reloading', prepare: () => {}, during: [], reloads: 0 },
    { name: 'while all of it changes', prepare: changer(join(target.folder, 'gateway.json')), during: [], reloads: 0 },
  ]
  for (let round = 0; round < bench.effort.rounds; round++) {
    bench.say(`reload, round ${round + 1}`)
    before.push(await pace(bench.lab, load))
    for (const window of windows) {
      process.forgetOutput()
      let asked = 0
      // One right after the other, but never two at a time.
      const timer = setInterval(() => {
        if (process.count(reloaded) < asked) return
        asked++
        window.prepare()
        process.reload()
      }, 200)
      try {
        window.during.push(await pace(bench.lab, load))
      } finally {
        clearInterval(timer)
      }
      window.reloads += process.count(reloaded)
      await until('the last reload to end', () => process.count(reloaded) >= asked, 60_000)
      process.forgetOutput()
    }
  }
  return withRatios('p99', [
    rowOf('before', before, 0),
    // A window in which no reload ended tells nothing of reloads.
    ...windows.map(({ name, during, reloads }) => rowOf(name, reloads === 0 ? [] : during, reloads)),
  ])
}

/** Writes a configuration in which every route and every upstream is another one than before. */
function changer(file: string): () => void {
  const config = JSON.parse(readFileSync(file, 'utf8')) as Record<'routes' | 'upstreams', Record<string, object>>
  let count = 0
  return () => {
    const seconds = `${(count++ % 2) + 40}s`
    const routes = mapValues(config.routes, (route) => ({ ...route, timeout: seconds }))
    const upstreams = mapValues(config.upstreams, (upstream) => ({ ...upstream, timeouts: { idle: seconds } }))
    writeFileSync(file, JSON.stringify({ ...config, routes, upstreams }))
  }
}

function mapValues(all: Record<string, object>, change: (value: object) => object): Record<string, object> {
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [name, change(value)]))
}

function rowOf(subject: string, all: readonly LoadResult[], reloads: number): Omit<Row, 'ratio'> {
  const figures = {
    p99: median(all.map(({ p99 }) => p99)),
    p50: median(all.map(({ p50 }) => p50)),
    rate: median(all.map(({ requests, seconds }) => requests / seconds)),
    reloads,
  }
  return { subject, figures, errors: all.reduce((sum, { errors }) => sum + errors, 0) }
}
