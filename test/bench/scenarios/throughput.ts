import type { Target } from '../fleet.ts'
import { saturate } from '../load/generate.ts'
import type { Load, LoadResult } from '../load/load.ts'
import { requestHeaders } from '../peers/peer.ts'
import { type Column, type Row, type Table, withRatios } from '../results.ts'
import { median, minimum } from '../statistics.ts'
import { warmUp } from '../warm-up.ts'
import type { Bench, Scenario } from './scenario.ts'

type Unit = 'request' | 'message' | 'datagram' | 'gigabyte'

interface Throughput extends Pick<Scenario, 'name' | 'title' | 'subjects' | 'missing'> {
  /** One table for each. */
  readonly concurrency: readonly number[]
  readonly load?: Partial<Load>
  /** What the CPU time is divided by. Default: `request`. */
  readonly per?: Unit
}

interface Measurement extends LoadResult {
  /** CPU seconds of the proxy. */
  readonly cpu: number
  readonly memory: number
}

/** As much load as each subject takes. */
export function throughput(scenario: Throughput): Scenario {
  const { name, title, concurrency } = scenario
  return {
    name,
    title,
    subjects: scenario.subjects,
    ...(scenario.missing === undefined ? {} : { missing: scenario.missing }),
    async run(bench, subjects) {
      const targets: Target[] = []
      try {
        for (const subject of subjects) {
          const target = await bench.fleet.start(subject, Math.max(...concurrency))
          targets.push(target)
          await warmUp(bench, target, loadOf(scenario, target, Math.max(...concurrency)))
        }
        const tables: Table[] = []
        for (const connections of concurrency) tables.push(await table(scenario, bench, targets, connections))
        return tables
      } finally {
        for (const target of targets) await bench.fleet.stop(target)
      }
    },
  }
}

async function table(scenario: Throughput, bench: Bench, targets: Target[], connections: number): Promise<Table> {
  const measured = new Map<Target, Measurement[]>(targets.map((target) => [target, []]))
  // Round by round, so that a busy moment of the machine falls on all alike.
  for (let round = 0; round < bench.effort.rounds; round++) {
    for (const [target, all] of measured) {
      bench.say(`${scenario.name}, ${connections} at once, round ${round + 1}: ${target.subject.name}`)
      all.push(
        await measure(bench, target, {
          ...loadOf(scenario, target, connections),
          seconds: bench.effort.seconds,
        }),
      )
    }
  }
  const { per = 'request' } = scenario
  const rows = [...measured].map(([target, all]) => rowOf(target.subject.name, all, per))
  const { streams = 1 } = scenario.load ?? {}
  const many = `${connections === 1 ? '1 connection' : `${connections} connections`}${streams === 1 ? '' : ` of ${streams} streams`}`
  return {
    scenario: scenario.name,
    title: `${scenario.title}, ${many}`,
    connections,
    columns: columnsOf(per),
    rows: withRatios('cpu', rows),
  }
}

async function measure({ lab }: Bench, { process }: Target, load: Load): Promise<Measurement> {
  const before = process.cpu()
  const result = await saturate(lab, load)
  const cpu = process.cpu() - before
  const memory = process.memory()
  process.forgetOutput()
  return { ...result, cpu, memory }
}

function loadOf({ load }: Throughput, { port, subject }: Target, connections: number): Omit<Load, 'seconds'> {
  const { routes } = subject.work
  const path = routes === undefined ? { path: '/' } : { path: '/r/', paths: routes }
  const proxy = load?.proxyHeader === undefined ? {} : { proxyHeader: subject.work.proxyProtocol === true }
  return { ...path, headers: requestHeaders, ...load, ...proxy, port, connections }
}

function rowOf(subject: string, all: readonly Measurement[], per: Unit): Omit<Row, 'ratio'> {
  const costs = all.map(({ cpu, requests, bytes }) =>
    per === 'gigabyte' ? cpu / (bytes / 1e9) : (cpu * 1e6) / requests,
  )
  return {
    subject,
    figures: {
      cpu: minimum(costs),
      cpuMedian: median(costs),
      rate: median(all.map(({ requests, seconds }) => requests / seconds)),
      bandwidth: median(all.map(({ bytes, seconds }) => bytes / seconds / 1e6)),
      p50: median(all.map(({ p50 }) => p50)),
      p99: median(all.map(({ p99 }) => p99)),
      busy: median(all.map(({ cpu, seconds }) => (cpu / seconds) * 100)),
      memory: median(all.map(({ memory }) => memory)) / 2 ** 20,
    },
    errors: all.reduce((sum, { errors }) => sum + errors, 0),
  }
}

const units = {
  request: 'CPU µs/req',
  message: 'CPU µs/msg',
  datagram: 'CPU µs/round trip',
  gigabyte: 'CPU s/GB',
} as const

function columnsOf(per: Unit): Column[] {
  const digits = per === 'gigabyte' ? 2 : 1
  return [
    { key: 'cpu', title: units[per], digits },
    { key: 'cpuMedian', title: 'median', digits },
    per === 'gigabyte'
      ? { key: 'bandwidth', title: 'MB/s', digits: 0 }
      : { key: 'rate', title: per === 'message' ? 'msg/s' : per === 'datagram' ? 'round trips/s' : 'req/s', digits: 0 },
    { key: 'p50', title: 'p50 µs', digits: 0 },
    { key: 'p99', title: 'p99 µs', digits: 0 },
    { key: 'busy', title: 'core %', digits: 0 },
    { key: 'memory', title: 'RSS MB', digits: 0 },
  ]
}
