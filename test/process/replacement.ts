/*
 * Measures what starting a worker takes: CPU and wall time of loading it, and the time from the SIGKILL of a worker to its
 * successor serving, with and without a spare. Run by hand, on an idle machine:
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
const { NODE_COMPILE_CACHE: _, ...env } = process.env
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

function median(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const show = (at: number): string => sorted[at]!.toFixed(0)
  return `${show(sorted.length >> 1)} ms (${show(0)} to ${show(sorted.length - 1)}, ${sorted.length} runs)`
}

function load(what: string, cache: string | undefined): void {
  const code = `await import(${JSON.stringify(join(root, 'core/process/worker.ts'))})
    const { userCPUTime, systemCPUTime } = process.resourceUsage()
    process.stdout.write(String((userCPUTime + systemCPUTime) / 1000))
    (await import('node:module')).flushCompileCache()
    process.exit(0)`
  const run = (): { cpu: number; wall: number } => {
    const began = performance.now()
    const options = { encoding: 'utf8', env: { ...env, NODE_COMPILE_CACHE: cache } } as const
    const { stdout } = spawnSync(
      process.execPath,
      ['--no-node-snapshot', '--input-type=module', '-e', code.replace(/\n\s*\(/, ';(')],
      options,
    )
    return { cpu: Number(stdout), wall: performance.now() - began }
  }
  if (cache !== undefined) run()
  const runs = Array.from({ length: 9 }, run)
  console.log(`${what}: CPU ${median(runs.map(({ cpu }) => cpu))}, wall ${median(runs.map(({ wall }) => wall))}`)
}

load('load, nothing compiled', undefined)
load('load, compiled before', join(folder, 'cache'))

const config = join(folder, 'gateway.json')
const listeners = { web: { address: '127.0.0.1', port: 0 } }
const routes = { all: { listener: 'web', reply: { status: 204 } } }
writeFileSync(config, JSON.stringify({ workers: 4, listeners, routes }))
const stdio = ['ignore', 'pipe', 'ignore'] as const
const child = spawn(process.execPath, ['--no-node-snapshot', join(root, 'core/main.ts'), 'run', '-c', config], {
  stdio: [...stdio],
  env,
})
const workers = new Map<number, { pid: number; at: number }>()
child.stdout!.setEncoding('utf8').on('data', (text: string) => {
  for (const line of text.split('\n').filter((one) => one.includes('"worker started"'))) {
    const { slot, pid } = JSON.parse(line) as { slot: number; pid: number }
    workers.set(slot, { pid, at: performance.now() })
  }
})
while (workers.size < 4) await sleep(50)
for (const [what, keepsSpare] of [
  ['with a spare', true],
  ['without a spare', false],
] as const) {
  const took: number[] = []
  for (let run = 0; run < 8; run++) {
    await sleep(3_000)
    const known = [...workers.values()].map(({ pid }) => pid)
    const all = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ').map(Number)
    if (!keepsSpare) for (const pid of all) if (!known.includes(pid)) process.kill(pid, 'SIGKILL')
    if (!keepsSpare) await sleep(500)
    const slot = run % 4
    const { pid } = workers.get(slot)!
    const began = performance.now()
    process.kill(pid, 'SIGKILL')
    while (workers.get(slot)!.pid === pid) await sleep(5)
    took.push(workers.get(slot)!.at - began)
  }
  console.log(`SIGKILL to the successor serving, ${what}: ${median(took)}`)
}
child.kill('SIGKILL')
