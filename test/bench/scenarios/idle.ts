import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { holdIdle } from '../load/generate.ts'
import { requestHeaders } from '../peers/peer.ts'
import { type Row, type Table, withRatios } from '../results.ts'
import { type Subject, subjects } from '../subject.ts'
import { warmUp } from '../warm-up.ts'
import type { Bench, Scenario } from './scenario.ts'

/** Descriptors that a process needs for other things than clients. */
const spare = 500

/** Memory of a connection that has had one answer and is kept alive. */
export const idle: Scenario = {
  name: 'idle',
  title: 'idle kept-alive connections',
  subjects: [subjects.nginx, subjects.haproxy, subjects.postern],
  run: (bench, all) => tables(idle, bench, all, bench.effort.quick ? 2_000 : 20_000),
}

export const idleTls: Scenario = {
  name: 'idle-tls',
  title: 'idle kept-alive connections over TLS',
  subjects: [subjects.nginxTls, subjects.caddyTls, subjects.posternTls],
  run: (bench, all) => tables(idleTls, bench, all, bench.effort.quick ? 1_000 : 6_000),
}

async function tables(scenario: Scenario, bench: Bench, all: readonly Subject[], wanted: number): Promise<Table[]> {
  const measured = bench.effort.quick ? all.filter(({ name }) => name !== 'haproxy') : all
  const count = Math.min(wanted, openFiles() - spare)
  const rows: Omit<Row, 'ratio'>[] = []
  for (const subject of measured) {
    bench.say(`${scenario.name}: ${subject.name}`)
    rows.push(await measure(bench, subject, count))
  }
  const columns = [
    { key: 'perConnection', title: 'KB/connection', digits: 2 },
    { key: 'connections', title: 'connections', digits: 0 },
    { key: 'before', title: 'RSS MB with a quarter', digits: 0 },
    { key: 'after', title: 'RSS MB with them', digits: 0 },
    { key: 'cpu', title: 'core % while idle', digits: 1 },
  ]
  return [{ scenario: scenario.name, title: scenario.title, columns, rows: withRatios('perConnection', rows) }]
}

async function measure(
  bench: Bench,
  subject: Scenario['subjects'][number],
  count: number,
): Promise<Omit<Row, 'ratio'>> {
  // Started for this alone: memory that an earlier load has left free would hide what a connection takes.
  const target = await bench.fleet.start(subject, count)
  try {
    const tls = subject.work.tls ? { tls: 'full' as const } : {}
    const load = { port: target.port, path: '/', headers: requestHeaders, connections: 64, seconds: 1, ...tls }
    await warmUp(bench, target, load)
    await sleep(bench.effort.quick ? 200 : 2_000)
    const seconds = bench.effort.quick ? 0.5 : 5
    // A heap that has never been full grows with whatever comes first: that is not what a connection takes.
    const first = await holdIdle(bench.lab, { ...load, connections: Math.round(count / 4) })
    await sleep(seconds * 1_000)
    const before = target.process.memory()
    const rest = await holdIdle(bench.lab, { ...load, connections: count - first.count })
    const cpu = target.process.cpu()
    await sleep(seconds * 1_000)
    const after = target.process.memory()
    const busy = ((target.process.cpu() - cpu) / seconds) * 100
    await Promise.all([first.close(), rest.close()])
    const held = first.count + rest.count
    const figures = {
      perConnection: (after - before) / 1_024 / rest.count,
      connections: held,
      before: before / 2 ** 20,
      after: after / 2 ** 20,
      cpu: busy,
    }
    return { subject: subject.name, figures, errors: count - held }
  } finally {
    await bench.fleet.stop(target)
  }
}

/** The hard limit: servers and Node raise theirs up to it, beyond it takes a right that the bench may not have. */
function openFiles(): number {
  const limit = /^Max open files +\S+ +(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
  return limit === undefined || limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit)
}
