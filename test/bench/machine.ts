import { cpus, loadavg, release, totalmem, type } from 'node:os'
import type { Machine } from './results.ts'

export function describeMachine(): Machine {
  const all = cpus()
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    kernel: `${type()} ${release()}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    load: loadavg()[0] ?? 0,
  }
}
