import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from '../lab.ts'
import type { Load, LoadResult } from './load.ts'
import { outputOf } from './output.ts'

const sizes: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1 }

/** Runs h2load: a closed loop, `streams` requests at a time on each connection. */
export async function runH2load(lab: Lab, load: Load): Promise<LoadResult> {
  const { port, path, headers, connections, seconds, streams = 1, body } = load
  const args = ['-t', '1', '-c', `${connections}`, '-m', `${streams}`, '-D', `${Math.round(seconds * 1_000)}ms`]
  args.push(...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]))
  if (body !== undefined) {
    const file = join(lab.folder, 'request-body')
    writeFileSync(file, body, 'hex')
    args.push('-d', file)
  }
  return parseH2load(await outputOf(lab.load(['h2load', ...args, `http://127.0.0.1:${port}${path}`])))
}

/** Reads what h2load prints. It tells the mean of the latencies, and no percentiles. */
export function parseH2load(text: string): LoadResult {
  const [, time, unit = ''] = /finished in ([\d.]+)(us|ms|s),/.exec(text) ?? []
  const counts = /, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(text)
  const bytes = /traffic: \S+ \((\d+)\) total/.exec(text)?.[1]
  if (time === undefined || counts === null || bytes === undefined) throw new Error(`h2load said: ${text}`)
  const [done = 0, , failed = 0, , late = 0] = counts.slice(1).map(Number)
  // `failed` holds those without an answer and those whose answer was not 2xx or 3xx.
  const errors = failed + late
  const seconds = Number(time) * (sizes[unit] ?? Number.NaN)
  return { requests: done, seconds, bytes: Number(bytes), errors, p50: Number.NaN, p99: Number.NaN }
}
