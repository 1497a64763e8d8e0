import { constants, setPriority } from 'node:os'
import type { Problem } from '../config/problem.ts'
import type { Runtime } from '../sandbox/runtime.ts'
import type { PackedConfig } from './packed-config.ts'
import { spawnModule } from './spawn.ts'

/** What `check-child.ts` answers. */
export type CheckAnswer = Checked | { readonly failure: string }

export interface Checked {
  readonly result: PackedConfig | { readonly ok: false; readonly problems: readonly Problem[] }
  /** Bundled for the check, and handed on: a worker that starts in place of a dead one has no time for it. */
  readonly runtime: Runtime
}

/**
 * Checks a configuration in a short-lived process: checking runs code of plugins, and the supervisor runs none.
 *
 * @param inBackground while workers serve. Checking 10,000 routes takes a second of CPU, which traffic must not wait for;
 *   below normal and not lowest, so that it ends on a host that is always busy: there it has a tenth of a core.
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

/** Threads inherit it from the one that starts them, so it comes before there is a second one. */
function stepBack(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // It has exited already, or its priority may not be changed: then it runs at normal priority.
  }
}
