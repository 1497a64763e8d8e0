import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

/** Runs for 0.1 s of each 0.3 s: stopped in between, as by the CPU quota of a container. Ends when its parent has. */
const turns = 'while kill -0 $PPID; do kill -STOP "$@"; sleep 0.2; kill -CONT "$@"; sleep 0.1; done'
/** Ends by itself too, so that it does not outlast a test that was ended. */
const loop = 'const end = Date.now() + 60_000; while (Date.now() < end);'
const hogs = 4

/** Stops these processes for two thirds of the time while `run` goes on, beside four busy loops. */
export async function onBusyMachine<T>(pids: readonly number[], run: () => Promise<T>): Promise<T> {
  const busy = Array.from({ length: hogs }, () => spawn(process.execPath, ['-e', loop], { stdio: 'ignore' }))
  const stopper = spawn('sh', ['-c', turns, 'stopper', ...pids.map(String)], { stdio: 'ignore' })
  try {
    return await run()
  } finally {
    await Promise.all([...busy, stopper].map(end))
    for (const pid of pids) goOn(pid)
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

function goOn(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT')
  } catch {
    // It has ended.
  }
}

/** CPU time that these processes have used, ms, in steps of 10 ms. */
export function cpuOf(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // Behind the name, which may contain anything, in parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return ticks * 10
}
