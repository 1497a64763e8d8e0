import { readdirSync, readFileSync } from 'node:fs'

/** What `/proc/<pid>/stat` says of one process (proc(5)). */
export interface ProcessStat {
  readonly pid: number
  readonly parent: number
  /** CPU time of the process and of its children that have ended and been waited for, s. */
  readonly cpu: number
  /** When it began, in ticks since boot: with the pid it tells a process from a later one of the same number. */
  readonly started: number
  /** Resident memory, pages. */
  readonly pages: number
}

/** USER_HZ is 100 on every Linux that Node runs on: the times in `stat` are in hundredths of a second. */
const ticks = 100
/** x86-64 and the usual arm64. */
const pageBytes = 4_096

/** Reads one line of `/proc/<pid>/stat`. The name in it may hold spaces and brackets: fields count from the last one. */
export function parseStat(line: string): ProcessStat {
  const close = line.lastIndexOf(')')
  const fields = line.slice(close + 2).split(' ')
  // Numbered as in proc(5), where the state behind the name is field 3.
  const field = (number: number): number => Number(fields[number - 3])
  return {
    pid: Number.parseInt(line, 10),
    parent: field(4),
    cpu: (field(14) + field(15) + field(16) + field(17)) / ticks,
    started: field(22),
    pages: field(24),
  }
}

/** A process and all that descend from it. */
export function treeOf(root: number, all: readonly ProcessStat[]): ProcessStat[] {
  const children = Map.groupBy(all, ({ parent }) => parent)
  const tree = all.filter(({ pid }) => pid === root)
  for (const { pid } of tree) tree.push(...(children.get(pid) ?? []))
  return tree
}

/** Everything that runs on this machine now. */
export function readProcesses(): ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))]
      } catch {
        // It ended between the listing and now.
        return []
      }
    })
}

/** CPU seconds that a process and its descendants, living or waited for, have used so far. */
export function cpuOf(root: number): number {
  return treeOf(root, readProcesses()).reduce((sum, { cpu }) => sum + cpu, 0)
}

/** Resident memory of a process and its descendants, bytes; pages that they share count for each. */
export function memoryOf(root: number): number {
  return treeOf(root, readProcesses()).reduce((sum, { pages }) => sum + pages, 0) * pageBytes
}
