import type { Target } from '../fleet.ts'
import { generatorLimit, pace, saturate } from '../load/generate.ts'
import type { Load, LoadResult } from '../load/load.ts'
import { requestHeaders } from '../peers/peer.ts'
import { type Row, withRatios } from '../results.ts'
import { median } from '../statistics.ts'
import { subjects } from '../subject.ts'
import { warmUp } from '../warm-up.ts'
import type { Bench, Scenario } from './scenario.ts'

const connections = 64

/**
 * What a proxy adds to the latency of the backend: at a rate that all of them bear, half of what the slowest can do, or of
 * what the generator can do, if that is less (beyond it the generator would measure itself); and on one connection, one
 * request after the other, where nothing waits for anything else.
 */
export const latency: Scenario = {
  name: 'latency',
  title: 'added latency',
  subjects: [
    ...[subjects.nginx, subjects.haproxy, subjects.nginxLua],
    ...[subjects.postern, subjects.posternOne, subjects.posternThree],
  ],
  async run(bench, all) {
    const measured = bench.effort.quick ? all.filter(({ name }) => /^(nginx|postern( \+3 plugins)?)$/.test(name)) : all
    const targets: Target[] = []
    try {
      const { seconds } = bench.effort
      const own = await generatorLimit(bench.lab, { ...loadOf(bench.backendPort), seconds })
      const rates = [own.requests / own.seconds]
      for (const subject of measured) {
        const target = await bench.fleet.start(subject, connections)
        targets.push(target)
        await warmUp(bench, target, loadOf(target.port))
        const most = await saturate(bench.lab, { ...loadOf(target.port), seconds })
        rates.push(most.requests / most.seconds)
      }
      const rate = Math.round(Math.min(...rates) / 2)
      const rows = await measure(bench, targets, 'half load', ({ lab }, load) => pace(lab, { ...load, rate }))
      const alone = await measure(bench, targets, 'one connection', ({ lab }, load) =>
        saturate(lab, { ...load, connections: 1 }),
      )
      const columns = [
        { key: 'added50', title: 'added p50 µs', digits: 0 },
        { key: 'added99', title: 'added p99 µs', digits: 0 },
        { key: 'p50', title: 'p50 µs', digits: 0 },
        { key: 'p99', title: 'p99 µs', digits: 0 },
        { key: 'rate', title: 'req/s', digits: 0 },
        { key: 'busy', title: 'core %', digits: 0 },
      ]
      const slowest = rates.indexOf(Math.min(...rates))
      const whose = slowest === 0 ? 'the generator' : targets[slowest - 1]!.subject.name
      const title = `added latency at ${rate} requests/s, half of what ${whose} can do`
      return [
        { scenario: 'latency', title, connections, columns, rows: withRatios('added50', rows) },
        {
          scenario: 'latency',
          title: 'added latency, 1 connection',
          connections: 1,
          columns,
          rows: withRatios('added50', alone),
        },
      ]
    } finally {
      for (const target of targets) await bench.fleet.stop(target)
    }
  },
}

type Result = LoadResult & { readonly busy: number }
type Ask = (bench: Bench, load: Load) => Promise<LoadResult>

async function measure(bench: Bench, targets: readonly Target[], how: string, ask: Ask): Promise<Omit<Row, 'ratio'>[]> {
  const direct: Result[] = []
  const measured = new Map<Target, Result[]>(targets.map((target) => [target, []]))
  const { seconds } = bench.effort
  for (let round = 0; round < bench.effort.rounds; round++) {
    bench.say(`latency, ${how}, round ${round + 1}`)
    direct.push({ ...(await ask(bench, { ...loadOf(bench.backendPort), seconds })), busy: 0 })
    for (const [target, all] of measured) {
      const before = target.process.cpu()
      const result = await ask(bench, { ...loadOf(target.port), seconds })
      all.push({ ...result, busy: ((target.process.cpu() - before) / result.seconds) * 100 })
      target.process.forgetOutput()
    }
  }
  const base = { p50: median(direct.map(({ p50 }) => p50)), p99: median(direct.map(({ p99 }) => p99)) }
  const all = [
    ...[...measured].map(([{ subject }, all]) => ({ name: subject.name, all })),
    { name: 'no proxy', all: direct },
  ]
  return all.map(({ name, all }) => {
    const p50 = median(all.map(({ p50 }) => p50))
    const p99 = median(all.map(({ p99 }) => p99))
    const figures = {
      added50: p50 - base.p50,
      added99: p99 - base.p99,
      p50,
      p99,
      rate: median(all.map(({ requests, seconds }) => requests / seconds)),
      busy: median(all.map(({ busy }) => busy)),
    }
    return { subject: name, figures, errors: all.reduce((sum, { errors }) => sum + errors, 0) }
  })
}

function loadOf(port: number) {
  return { port, path: '/', headers: requestHeaders, connections, seconds: 1 }
}
