import { setPriority } from 'node:os'
import type { Problem } from '../config/problem.ts'
import type { Runtime } from '../sandbox/runtime.ts'
import type { PackedConfig } from './packed-config.ts'
import { spawnModule } from './spawn.ts'

/** The message that `check-child.ts` sends. */
export type CheckAnswer = Checked | { readonly failure: string }

export interface Checked {
  readonly result: PackedConfig | { readonly ok: false; readonly problems: readonly Problem[] }
  /** Bundled for the check, and passed on to the workers, so that a replacement for a dead worker starts faster. */
  readonly runtime: Runtime
}

/**
 * Checks a configuration in a short-lived process, because checking runs code of plugins, and the supervisor must not.
 *
 * @param inBackground true while workers serve: the process then runs at a lower priority. Checking 10,000 routes takes
 *   a second of CPU time, and traffic must not wait for that. With the nice value 5 it gets a third of what a process of
 *   normal priority gets, so that a reload also ends soon on a host that is always busy.
 * @throws {Error} when the process exits without a result.
 */
export function checkApart(file: string, cache: string, inBackground: boolean): Promise<Checked> {
  return new Promise((resolve, reject) => {
    const child = spawnModule('check-child', ['ignore', 'inherit', 'inherit', 'ipc'], [file], cache)
    if (inBackground) stepBack(child.pid)
    let answered = false
    child.once('message', (answer: CheckAnswer) => {
      answered = true
      if ('result' in answer) resolve(answer)
      else reject(new Error(answer.failure))
    })
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      if (!answered)
        reject(new Error(`the check of ${file} exited without a result (${signal ?? `exit code ${code}`})`))
    })
  })
}

/**
 * Lowers the priority. Threads inherit it when they are created, so this must be done while the process has only one.
 */
function stepBack(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, 5)
  } catch {
    // The process has exited already, or its priority cannot be changed: then it keeps the normal one.
  }
}
