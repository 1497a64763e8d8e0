import { writeSync } from 'node:fs'
import type { CrossingGuard, ProcessSize } from '../sandbox/crossing-guard.ts'
import { CrashSlot } from './crash-slot.ts'
import { CrossingBoard } from './crossing-board.ts'
import type { ResourcesReport } from './end-report.ts'
import { ProcessWatch } from './process-memory.ts'
import { Watchdog } from './watchdog.ts'
import { createWatchdogMemory } from './watchdog-memory.ts'

export interface GuardOptions {
  /** The worker's crash slot, on tmpfs. Created or emptied here; the supervisor reads it when the worker has died. */
  readonly slotFile: string | undefined
  /** Inherited file descriptor for the `EndReport`. */
  readonly report: number
  /**
   * How long a crossing may make no progress, beyond its own time limit, ms of polling. Default: 850, so that code which no
   * time limit ends costs a second, with the polls before and after and a limit that is longer for being shared.
   */
  readonly hard?: number
}

const unnoted = 'can no longer note which plugin runs: a crash will not be attributed to one'
const unwatched = 'is no longer watched: a plugin that blocks it will not be ended'

/** The guard of a worker process: records which calls run, and kills the process when a crossing makes no progress. */
export function createGuard(options: GuardOptions): CrossingGuard & { close(): void } {
  const { slotFile, report, hard = 850 } = options
  const memory = createWatchdogMemory()
  const slot = slotFile === undefined ? undefined : new CrashSlot(slotFile, lost(unnoted))
  const board = new CrossingBoard(memory.board, slot)
  const watchdog = new Watchdog(memory, report, hard, lost(unwatched))
  const size = new ProcessWatch((grown) => endForSize(report, grown))
  let number = 0
  return {
    progress: memory.progress,
    memory: size,
    enter: (calls, timeout = 0, alone = false) => {
      number = number === 0x7fff_ffff ? 1 : number + 1
      board.post(number, calls, alone ? size.growth() : undefined)
      watchdog.enter(number, timeout)
    },
    leave: () => {
      watchdog.leave()
      slot?.clear()
    },
    reading: (on) => {
      if (on) watchdog.enter(number, 0)
      else watchdog.leave()
    },
    close: () => {
      watchdog.close()
      slot?.close()
    },
  }
}

/** Ends this process, which has used up more memory or addresses than one should; the supervisor replaces it. */
function endForSize(report: number, size: ProcessSize): void {
  const { resident, virtual } = size
  const line: ResourcesReport = { type: 'resources', resident: Math.round(resident), virtual: Math.round(virtual) }
  try {
    writeSync(report, `${JSON.stringify(line)}\n`)
  } catch {
    // Without a reader the process ends all the same.
  }
  process.kill(process.pid, 'SIGKILL')
}

/** Tells the operator what the process goes on without. */
function lost(consequence: string): (problem: string) => void {
  return (problem) => {
    try {
      writeSync(2, `postern: worker ${process.pid} ${consequence} (${problem})\n`)
    } catch {
      // Standard error has no reader, and the gateway goes on without one.
    }
  }
}
