import { existsSync, readdirSync, readFileSync } from 'node:fs'
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
    const figure = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1])
    return {
      memory: figure('VmRSS') / 1024,
      handles: readdirSync(`/proc/${pid}/fd`).length,
      threads: figure('Threads'),
    }
  } catch {
    return undefined
  }
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
export function serving({ gateway, base, log }: Arena): number[] {
  if (base.workers === undefined) return [gateway.child.pid ?? 0]
  const pids = (event: string): number[] => log().flatMap(({ msg, pid }) => (msg === event ? [Number(pid)] : []))
  const died = new Set(pids('worker died'))
  return pids('worker started').filter((pid) => !died.has(pid))
}
