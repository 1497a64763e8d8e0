// Says where a worker's time goes under load: see README.md.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startBackend } from './backend.ts'
import { Fleet } from './fleet.ts'
import { hasCommand } from './installed.ts'
import { Lab } from './lab.ts'
import { saturate } from './load/generate.ts'
import { outputOf } from './load/output.ts'
import { requestHeaders } from './peers/peer.ts'
import { readProcesses, treeOf } from './process-tree.ts'
import { parseSamples } from './profile/samples.ts'
import { type SelfCost, selfCosts } from './profile/self-costs.ts'
import { type Subject, subjects } from './subject.ts'
import { warmUp } from './warm-up.ts'

const choices: Readonly<Record<string, Subject>> = {
  0: subjects.postern,
  1: subjects.posternOne,
  3: subjects.posternThree,
  5: subjects.posternFive,
}
/** Lines of the table, and functions in each. */
const shown = { parts: 16, functions: 4 }

const { values } = parseArgs({
  options: {
    plugins: { type: 'string', default: '0' },
    connections: { type: 'string', default: '64' },
    connect: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '5' },
  },
})
const subject = choices[values.plugins]
const seconds = Number(values.seconds)
const connections = Number(values.connections)
if (subject === undefined || !(seconds > 0) || !(connections > 0)) {
  const usage = '[--plugins 0|1|3|5] [--connections <n>] [--connect] [--seconds <s>]'
  process.stderr.write(`usage: npm run bench:profile -- ${usage}\n`)
  process.exitCode = 64
} else if (!hasCommand('perf')) {
  process.stderr.write('bench:profile: needs perf (Debian: linux-perf)\n')
  process.exitCode = 1
} else {
  await main(subject)
}

async function main(subject: Subject): Promise<void> {
  const lab = new Lab()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void lab.close())
  const before = symbolFiles()
  try {
    const fleet = new Fleet(lab, await startBackend(lab))
    // Workers inherit the environment: what is profiled is what `postern run` runs.
    process.env.NODE_OPTIONS = '--perf-basic-prof'
    const target = await fleet.start(subject, connections)
    delete process.env.NODE_OPTIONS
    const load = { port: target.port, path: '/', headers: requestHeaders, connections, close: values.connect }
    await warmUp({ lab, effort: { seconds, warmUpSeconds: 5 } }, target, load)
    const worker = busiestOf(target.process.pid)
    const data = join(lab.folder, 'perf.data')
    const used = target.process.cpu()
    const recorded = outputOf(
      lab.load(['perf', 'record', '-q', '-g', '-F', '997', '-p', `${worker}`, '-o', data, '--', 'sleep', `${seconds}`]),
    )
    const { requests } = await saturate(lab, { ...load, seconds })
    const cpu = ((target.process.cpu() - used) * 1e6) / requests
    await recorded
    const samples = parseSamples(await outputOf(lab.load(['perf', 'script', '-i', data, '-F', 'tid,ip,sym'])))
    const about = `${subject.name}, ${cpu.toFixed(1)} CPU µs/req while it is watched, ${samples.length} samples`
    process.stdout.write(`${tableOf(selfCosts(samples, worker), cpu)}\n\n${about}\n`)
  } finally {
    await lab.close()
    for (const [file, pid] of symbolFiles()) {
      if (!before.has(file) && !existsSync(`/proc/${pid}`)) rmSync(file, { force: true })
    }
  }
}

/** What V8 leaves for perf, each with its process. perf looks nowhere else. */
function symbolFiles(): Map<string, string> {
  const names = readdirSync('/tmp').flatMap((name) =>
    [/^perf-(\d+)\.map$/.exec(name)].filter((found) => found !== null),
  )
  return new Map(names.map(([name, pid = '']) => [join('/tmp', name), pid]))
}

/** The worker: who has used the most CPU of all that the command has started. */
function busiestOf(root: number): number {
  const tree = treeOf(root, readProcesses()).toSorted((a, b) => b.cpu - a.cpu)
  return tree[0]?.pid ?? root
}

function tableOf(parts: readonly SelfCost[], cpu: number): string {
  const rows = parts.slice(0, shown.parts).map(({ part, share, functions }) => {
    const names = functions.slice(0, shown.functions).map(([name, own]) => `\`${name}\` ${percent(own)}`)
    return `| ${part} | ${percent(share)} | ${(share * cpu).toFixed(1)} | ${names.join(', ')} |`
  })
  return ['| part | share | µs/req | most of it |', '| --- | ---: | ---: | --- |', ...rows].join('\n')
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
