/*
 * What starting a worker takes: CPU and wall time of loading it, and the time from the SIGKILL of a worker to its successor
 * serving, with and without a spare. Run by hand, on an idle Linux machine:
 *
 *   node_modules/.bin/node test/process/replacement.ts [root of another checkout]
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const root = resolve(process.argv[2] ?? join(import.meta.dirname, '../..'))
const folder = mkdtempSync(join(tmpdir(), 'postern-replacement-'))
const env = { ...process.env, NODE_COMPILE_CACHE: undefined }
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

function median(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b).map(Math.round)
  return `${sorted[sorted.length >> 1]} ms (${sorted[0]} to ${sorted.at(-1)}, ${sorted.length} runs)`
}

const code = `await import(${JSON.stringify(join(root, 'core/process/worker.ts'))})
const { userCPUTime, systemCPUTime } = process.resourceUsage()
process.stdout.write(String((userCPUTime + systemCPUTime) / 1_000))
process.getBuiltinModule('node:module').flushCompileCache()
process.exit(0)`

function load(cache: string | undefined): { cpu: number; wall: number } {
  const began = performance.now()
  const args = ['--no-node-snapshot', '--input-type=module', '-e', code]
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...env, NODE_COMPILE_CACHE: cache } })
  return { cpu: Number(stdout), wall: performance.now() - began }
}

load(join(folder, 'cache'))
for (const cache of [undefined, join(folder, 'cache')]) {
  const runs = Array.from({ length: 9 }, () => load(cache))
  const [cpu, wall] = [median(runs.map(({ cpu }) => cpu)), median(runs.map(({ wall }) => wall))]
  console.log(`loading a worker, ${cache ? 'compiled before' : 'nothing compiled'}: CPU ${cpu}, wall ${wall}`)
}

const config = join(folder, 'gateway.json')
const listeners = { web: { address: '127.0.0.1', port: 0 } }
const routes = { all: { listener: 'web', reply: { status: 204 } } }
writeFileSync(config, JSON.stringify({ workers: 4, listeners, routes }))
const args = ['--no-node-snapshot', join(root, 'core/main.ts'), 'run', '-c', config]
const gateway = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'], env })
const workers = new Map<number, { pid: number; at: number }>()
gateway.stdout.setEncoding('utf8').on('data', (text: string) => {
  for (const line of text.split('\n').filter((one) => one.includes('"worker started"'))) {
    const { slot, pid } = JSON.parse(line) as { slot: number; pid: number }
    workers.set(slot, { pid, at: performance.now() })
  }
})
while (workers.size < 4) await sleep(50)
for (const hasSpare of [true, false]) {
  const times: number[] = []
  // Two deaths of each slot: after five within a minute a slot waits before it starts again.
  for (let run = 0; run < 8; run++) {
    await sleep(3_000)
    const serving = new Set([...workers.values()].map(({ pid }) => pid))
    const children = readFileSync(`/proc/${gateway.pid}/task/${gateway.pid}/children`, 'utf8').trim().split(' ')
    if (!hasSpare) for (const pid of children.map(Number)) if (!serving.has(pid)) process.kill(pid, 'SIGKILL')
    if (!hasSpare) await sleep(500)
    const { pid } = workers.get(run % 4)!
    const began = performance.now()
    process.kill(pid, 'SIGKILL')
    while (workers.get(run % 4)!.pid === pid) await sleep(5)
    times.push(workers.get(run % 4)!.at - began)
  }
  console.log(`from SIGKILL to the successor serving, ${hasSpare ? 'with' : 'without'} a spare: ${median(times)}`)
}
gateway.kill('SIGKILL')
