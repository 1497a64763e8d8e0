import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { grpcRequest } from '../backend.ts'
import { holdIdle, missingH2load } from '../load/generate.ts'
import type { Load } from '../load/load.ts'
import { grpcHeaders, requestHeaders } from '../peers/peer.ts'
import { type Row, type Table, withRatios } from '../results.ts'
import { type Subject, subjects } from '../subject.ts'
import { warmUp } from '../warm-up.ts'
import type { Bench, Scenario } from './scenario.ts'

/** Descriptors that a process needs for other things than clients. */
const spare = 500

interface Idle extends Pick<Scenario, 'name' | 'title' | 'subjects' | 'missing'> {
  /** Connections. */
  readonly wanted: number
  /** Of a quick run. */
  readonly wantedQuick: number
  readonly load?: Partial<Load>
  /** What the connections are opened with, where it differs from `load`, which warms up. */
  readonly held?: Partial<Load>
}

/** Memory of a connection that has had one answer and is kept alive. */
export const idle: Scenario = scenario({
  name: 'idle',
  title: 'idle kept-alive connections',
  subjects: [subjects.nginx, subjects.haproxy, subjects.postern],
  wanted: 20_000,
  wantedQuick: 2_000,
})

export const idleTcp: Scenario = scenario({
  name: 'idle-tcp',
  title: 'idle connections through the TCP relay',
  subjects: [subjects.nginxTcp, subjects.haproxyTcp, subjects.posternTcp],
  wanted: 20_000,
  wantedQuick: 2_000,
})

export const idleTls: Scenario = scenario({
  name: 'idle-tls',
  title: 'idle kept-alive connections over TLS',
  subjects: [subjects.nginxTls, subjects.caddyTls, subjects.posternTls],
  wanted: 6_000,
  wantedQuick: 1_000,
  load: { tls: 'full' },
})

export const idleHttp2: Scenario = scenario({
  name: 'idle-h2',
  title: 'idle connections of HTTP/2',
  subjects: [subjects.nginxHttp2, subjects.haproxyHttp2, subjects.posternHttp2],
  missing: missingH2load,
  wanted: 10_000,
  wantedQuick: 1_000,
  load: { streams: 1 },
})

/** As many as every subject admits by default. */
const streams = 100

/** Memory of a call of gRPC that is under way on both sides, on connections that are full of such calls. */
export const openStreams: Scenario = scenario({
  name: 'streams',
  title: 'open calls of gRPC, 100 on a connection',
  subjects: [subjects.nginxOpen, subjects.haproxyOpen, subjects.posternOpen],
  missing: missingH2load,
  wanted: 100,
  wantedQuick: 20,
  held: { streams, body: grpcRequest, headers: grpcHeaders, path: '/bench.Bench/Ask' },
})

function scenario(idle: Idle): Scenario {
  const { name, title, subjects, missing } = idle
  return {
    name,
    title,
    subjects,
    ...(missing === undefined ? {} : { missing }),
    run: (bench, all) => tables(idle, bench, all),
  }
}

async function tables(idle: Idle, bench: Bench, all: readonly Subject[]): Promise<Table[]> {
  const { name, title, wanted, wantedQuick, held } = idle
  const { quick } = bench.effort
  const measured = quick ? all.filter(({ name }) => name !== 'haproxy') : all
  // A relay has a connection to the backend for each.
  const most = Math.floor((openFiles() - spare) / (all.some(({ work }) => work.layer === 'tcp') ? 2 : 1))
  const count = Math.min(quick ? wantedQuick : wanted, most)
  const rows: Omit<Row, 'ratio'>[] = []
  for (const subject of measured) {
    bench.say(`${name}: ${subject.name}`)
    rows.push(await measure(bench, idle, subject, count))
  }
  const columns = [
    { key: 'perConnection', title: held === undefined ? 'KB/connection' : 'KB/stream', digits: 2 },
    { key: 'connections', title: 'connections', digits: 0 },
    { key: 'before', title: 'RSS MB with a quarter', digits: 0 },
    { key: 'after', title: 'RSS MB with them', digits: 0 },
    { key: 'cpu', title: 'core % while idle', digits: 1 },
  ]
  return [{ scenario: name, title, columns, rows: withRatios('perConnection', rows) }]
}

async function measure(bench: Bench, idle: Idle, subject: Subject, count: number): Promise<Omit<Row, 'ratio'>> {
  // Started for this alone: memory that an earlier load has left free would hide what a connection takes.
  const target = await bench.fleet.start(subject, count * (idle.held?.streams ?? 1))
  try {
    const common = { port: target.port, path: '/', headers: requestHeaders, connections: 64, seconds: 1 }
    const load = { ...common, ...idle.load, ...idle.held }
    // What never ends is no load: nothing of it would be answered.
    if (idle.held === undefined) await warmUp(bench, target, load)
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
      perConnection: (after - before) / 1_024 / (rest.count * (idle.held?.streams ?? 1)),
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
