import type { CheckResult } from '../config/check.ts'
import type { Runtime } from '../sandbox/runtime.ts'
import { spawnModule } from './spawn.ts'

/** What `check-child.ts` answers. */
export type CheckAnswer = Checked | { readonly failure: string }

export interface Checked {
  readonly result: CheckResult
  /** Bundled for the check, and handed on: a worker that starts in place of a dead one has no time for it. */
  readonly runtime: Runtime
}

/**
 * Checks a configuration in a short-lived process: checking runs code of plugins, and the supervisor runs none.
 *
 * @throws {Error} when the process ends without an answer.
 */
export function checkApart(file: string, cache: string): Promise<Checked> {
  return new Promise((resolve, reject) => {
    const child = spawnModule('check-child', ['ignore', 'inherit', 'inherit', 'ipc'], [file], cache)
    let answered = false
    child.once('message', (answer: CheckAnswer) => {
      answered = true
      if ('result' in answer) resolve(answer)
      else reject(new Error(answer.failure))
    })
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      if (!answered)
        reject(new Error(`the check of ${file} ended without an answer (${signal ?? `exit code ${code}`})`))
    })
  })
}
