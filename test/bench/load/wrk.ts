import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from '../lab.ts'
import type { Load, LoadResult } from './load.ts'
import { outputOf } from './output.ts'

const times: Readonly<Record<string, number>> = { us: 1, ms: 1e3, s: 1e6, m: 60e6, h: 3600e6 }
const sizes: Readonly<Record<string, number>> = { B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30, TB: 2 ** 40 }

/** Runs wrk: a closed loop, one request at a time on each connection. Whole seconds only. */
export async function runWrk(lab: Lab, load: Load): Promise<LoadResult> {
  const { port, path, headers, connections, seconds, paths, close, tls } = load
  const fields = Object.entries({ ...headers, ...(close ? { connection: 'close' } : {}) })
  const args = ['-t', '1', '-c', `${connections}`, '-d', `${Math.max(1, Math.round(seconds))}s`, '--latency']
  args.push(...fields.flatMap(([name, value]) => ['-H', `${name}: ${value}`]))
  if (paths !== undefined) args.push('-s', writeScript(lab, path, paths))
  return parseWrk(await outputOf(lab.load(['wrk', ...args, `${tls ? 'https' : 'http'}://127.0.0.1:${port}${path}`])))
}

/** Reads what `wrk --latency` prints. */
export function parseWrk(text: string): LoadResult {
  const total = /(\d+) requests in ([\d.]+)(\w+), ([\d.]+)([KMGT]?B) read/.exec(text)
  if (total === null) throw new Error(`wrk said: ${text}`)
  const [, requests, time, timeUnit = '', size, sizeUnit = ''] = total
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text) ?? []
  const bad = [...socketErrors.slice(1), /Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? '0'].map(Number)
  return {
    requests: Number(requests),
    seconds: (Number(time) * (times[timeUnit] ?? Number.NaN)) / 1e6,
    bytes: Number(size) * (sizes[sizeUnit] ?? Number.NaN),
    errors: bad.reduce((sum, count) => sum + count),
    p50: latency(text, '50%'),
    p99: latency(text, '99%'),
  }
}

function latency(text: string, share: string): number {
  const [, value, unit = ''] = new RegExp(`^\\s+${share}\\s+([\\d.]+)(us|ms|s|m|h)`, 'm').exec(text) ?? []
  return Number(value) * (times[unit] ?? Number.NaN)
}

/** The requests are made once: what the script does between two costs the load's core, not the proxy's. */
function writeScript(lab: Lab, path: string, paths: number): string {
  const file = join(lab.folder, `paths-${paths}.lua`)
  writeFileSync(
    file,
    `local requests, turn = {}, 0
init = function()
  for i = 0, ${paths - 1} do requests[i] = wrk.format(nil, "${path}" .. i) end
end
request = function()
  turn = (turn + 7919) % ${paths}
  return requests[turn]
end
`,
  )
  return file
}
