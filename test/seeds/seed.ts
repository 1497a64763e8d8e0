import { readFileSync } from 'node:fs'
import type { Json } from '../helpers/gateway.ts'

/**
 * The configuration of an article, on this machine: each address that it names becomes a port of 127.0.0.1, and so do those of its
 * listeners, which take free ports unless one is given.
 *
 * @param ports by address as the file has it, `10.10.30.11:5432`; of a listener, `10.10.10.111 80`
 * @param times durations that are shorter here, by those in the file
 */
export function seed(
  name: string,
  ports: Readonly<Record<string, number>>,
  times: Readonly<Record<string, string>> = {},
): Json {
  const text = readFileSync(new URL(`${name}.json`, import.meta.url), 'utf8')
  return changed(JSON.parse(text) as Json, ports, times)
}

function changed(value: Json, ports: Readonly<Record<string, number>>, times: Readonly<Record<string, string>>): Json {
  if (typeof value === 'string') {
    if (/^[\d.]+:\d+$/.test(value)) return `127.0.0.1:${ports[value] ?? missing(value)}`
    return /^[\d.]+\/\d+$/.test(value) ? '127.0.0.1' : (times[value] ?? value)
  }
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((one) => changed(one, ports, times))
  const { address, port } = value
  const isListener = typeof address === 'string' && typeof port === 'number'
  const own = isListener ? { address: '127.0.0.1', port: ports[`${address} ${port}`] ?? 0 } : {}
  const entries = Object.entries(value).map(([key, one]) => [key, changed(one, ports, times)] as const)
  return { ...Object.fromEntries(entries), ...own }
}

function missing(address: string): never {
  throw new Error(`no port is given for ${address}`)
}
