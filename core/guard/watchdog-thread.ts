import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import type { StuckReport } from './end-report.ts'
import { readBoard } from './read-board.ts'
import { StallDetector, suspectsOf } from './stall-detector.ts'
import { control, period, type WatchdogData } from './watchdog-memory.ts'

/**
 * The thread that polls crossings from outside. It never returns to its event loop. All it needs is in shared memory,
 * because the thread it watches cannot send messages while it is stuck.
 */
const data = workerData as WatchdogData
const progress = new Int32Array(data.progress)
const controls = new Int32Array(data.control)
const stall = new StallDetector(period)
/** Polls without a crossing after which the thread sleeps. */
const idlePolls = 40

let idle = 0
for (;;) {
  Atomics.wait(controls, control.asleep, 0, period)
  const number = Atomics.load(progress, 0)
  idle = number === 0 ? idle + 1 : 0
  if (idle > idlePolls) {
    sleep()
    idle = 0
    continue
  }
  const index = Atomics.load(progress, 1)
  const cpu = number === 0 ? 0 : cpuTime()
  if (stall.isStuck({ number, index, cpu }, Atomics.load(controls, control.limit))) end(index)
}

function sleep(): void {
  Atomics.store(controls, control.asleep, 1)
  // A crossing that began just before this did not see that the thread sleeps.
  if (Atomics.load(progress, 0) === 0) Atomics.wait(controls, control.asleep, 1)
  Atomics.store(controls, control.asleep, 0)
}

function cpuTime(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

function end(index: number): void {
  const report: StuckReport = {
    type: 'stuck',
    calls: suspectsOf(readBoard(new Uint8Array(data.board)), index),
    polls: stall.polls,
  }
  try {
    writeSync(data.report, `${JSON.stringify(report)}\n`)
  } catch {
    // The report has no reader: the crash slot still names the calls.
  }
  process.kill(process.pid, 'SIGKILL')
}
