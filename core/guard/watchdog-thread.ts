import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { readBoard } from './read-board.ts'
import { StallDetector, suspectsOf } from './stall-detector.ts'
import type { StuckReport } from './stuck-report.ts'
import { control, period, type WatchdogData } from './watchdog-memory.ts'

/**
 * The thread that looks at crossings from outside. It never returns to its event loop: what it needs is in shared memory,
 * because the thread it watches cannot send anything when it matters.
 */
const data = workerData as WatchdogData
const progress = new Int32Array(data.progress)
const controls = new Int32Array(data.control)
const stall = new StallDetector(period)
/** Looks without a crossing before it stops looking. */
const lull = 40

let idle = 0
for (;;) {
  Atomics.wait(controls, control.asleep, 0, period)
  const number = Atomics.load(progress, 0)
  idle = number === 0 ? idle + 1 : 0
  if (idle > lull) {
    sleep()
    idle = 0
    continue
  }
  const index = Atomics.load(progress, 1)
  const cpu = number === 0 ? 0 : cpuTime()
  if (stall.isOver({ number, index, cpu }, Atomics.load(controls, control.limit))) end(index)
}

function sleep(): void {
  Atomics.store(controls, control.asleep, 1)
  // A crossing that began just before did not see that it had to wake anybody.
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
    // Nobody listens: the crash slot still tells who was there.
  }
  process.kill(process.pid, 'SIGKILL')
}
