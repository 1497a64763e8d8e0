import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { until } from '../helpers/until.ts'
import type { Arena } from './harness.ts'

/** What a process holds, as Linux tells it. */
export interface Footprint {
  /** Resident memory, MB. */
  readonly memory: number
  /** Open descriptors. */
  readonly handles: number
  readonly threads: number
}

/** What can be measured from outside a process is measured on Linux only; elsewhere the figures stay unknown. */
export const measurable: boolean = existsSync('/proc/self/status')

/** Of one process; `undefined` where it is gone or cannot be measured. */
export function footprint(pid: number): Footprint | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    // A process that has ended and whose parent has not noticed yet has no memory.
    const figure = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
    return {
      memory: figure('VmRSS') / 1024,
      handles: readdirSync(`/proc/${pid}/fd`).length,
      threads: figure('Threads'),
    }
  } catch {
    return undefined
  }
}

/** What came in between, for people. */
export function growth(before: Footprint, after: Footprint): string {
  if (!measurable) return 'not measured here'
  const more = (name: keyof Footprint): string => (after[name] - before[name]).toFixed(0)
  return `memory ${more('memory')} MB, handles ${more('handles')}, threads ${more('threads')}`
}

/** All processes of a gateway together. */
export function footprintOf({ gateway }: Arena): Footprint {
  const { pid = 0 } = gateway.child
  const total = { memory: 0, handles: 0, threads: 0 }
  for (const one of [pid, ...descendants(pid)].map(footprint)) {
    total.memory += one?.memory ?? 0
    total.handles += one?.handles ?? 0
    total.threads += one?.threads ?? 0
  }
  return total
}

/** The same, when the processes that checked its configurations have ended: what lasts. */
export async function lastingFootprintOf(arena: Arena): Promise<Footprint> {
  const { gateway, base } = arena
  const others = (): number => descendants(gateway.child.pid ?? 0).length - (base.workers ?? 0)
  await until('the last check of a configuration to end', () => others() <= 0, 120_000)
  return footprintOf(arena)
}

/** Processes that a process has started, and theirs. */
export function descendants(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    const children = text.split(' ').filter(Boolean).map(Number)
    return children.flatMap((child) => [child, ...descendants(child)])
  } catch {
    return []
  }
}

/** The processes that serve: its workers, as the log tells of them, or itself where it has none. */
export function serving({ gateway, base }: Arena): number[] {
  return base.workers === undefined ? [gateway.child.pid ?? 0] : gateway.workers()
}
