import { setPriority } from 'node:os'
import { join } from 'node:path'
import type { Problem } from '../config/problem.ts'
import { afterTicks } from '../grants/tick-timer.ts'
import type { Runtime } from '../sandbox/runtime.ts'
import type { PackedConfig } from './packed-config.ts'
import { spawnModule } from './spawn.ts'

/** The messages that `check-child.ts` sends: first the variables that it needs, then the result. */
export type CheckMessage = { readonly variables: readonly string[] } | Checked | { readonly failure: string }

/** The answer to the first of them. */
export interface CheckAnswer {
  readonly env: NodeJS.ProcessEnv
  readonly mustExist: boolean
  /** From an earlier check; undefined in the first one. */
  readonly runtime: Runtime | undefined
}

export interface Checked {
  readonly result: PackedConfig | { readonly ok: false; readonly problems: readonly Problem[] }
  /**
   * Bundled for the check, and passed on to the workers and the next check, so that a replacement for a dead worker, and
   * a reload, take less time.
   */
  readonly runtime: Runtime
}

export interface CheckSettings {
  /** The supervisor's folder of temporary files. Compiled code is stored there. */
  readonly folder?: string
  /**
   * True while workers serve: the process then runs at a lower priority. Checking 10,000 routes takes a second of CPU
   * time, and traffic must not wait for that. With the nice value 5 it gets a third of what a process of normal priority
   * gets, so that a reload also ends soon on a host that is always busy. Default: false.
   */
  readonly inBackground?: boolean
  /** Whether variables and files that the configuration refers to must exist. Default: yes. */
  readonly mustExist?: boolean
  /** What an earlier check of this process has bundled. Default: it is bundled anew. */
  readonly runtime?: Runtime
  /** Longest time of the check, ms. Default: 30,000. */
  readonly deadline?: number
  /** Ends the check. */
  readonly signal?: AbortSignal
}

/** What Node and esbuild may need to run at all, wherever they are installed. */
const ofTheSystem = ['NODE_OPTIONS', 'NODE_COMPILE_CACHE', 'LD_LIBRARY_PATH', 'ESBUILD_BINARY_PATH', 'SystemRoot']

/**
 * Checks a configuration in a short-lived process, because checking runs code of plugins, and the supervisor must not.
 * That process knows no variables of the environment but those that the configuration names.
 *
 * @throws {Error} when the process exits without a result, or has none in time.
 */
export function checkApart(file: string, settings: CheckSettings = {}): Promise<Checked> {
  const { folder, inBackground = false, mustExist = true, runtime, deadline = 30_000, signal } = settings
  return new Promise((resolve, reject) => {
    const args = folder === undefined ? [file] : [file, folder]
    const cache = folder && join(folder, 'cache')
    const child = spawnModule('check-child', ['ignore', 'inherit', 'inherit', 'ipc'], args, cache, pick(ofTheSystem))
    if (inBackground) stepBack(child.pid)
    const giveUp = (why: string): void => {
      reject(new Error(`the check of ${file} ${why}`))
      // It may be inside a call that nothing else ends.
      child.kill('SIGKILL')
    }
    const cancel = afterTicks(deadline, () => giveUp(`took more than ${deadline / 1000} s and was ended`))
    const abort = (): void => giveUp('was ended')
    signal?.addEventListener('abort', abort, { once: true })
    child.on('message', (message: CheckMessage) => {
      if ('variables' in message) child.send({ env: pick(message.variables), mustExist, runtime } satisfies CheckAnswer)
      else if ('failure' in message) reject(new Error(message.failure))
      else resolve(message)
    })
    const release = (): void => {
      cancel()
      signal?.removeEventListener('abort', abort)
    }
    child.once('error', (error) => {
      // A process that could not be started has no exit.
      if (child.pid === undefined) release()
      reject(error)
    })
    child.once('exit', (code, by) => {
      release()
      reject(new Error(`the check of ${file} exited without a result (${by ?? `exit code ${code}`})`))
    })
    if (signal?.aborted) abort()
  })
}

/** The variables with these names. */
function pick(names: readonly string[]): NodeJS.ProcessEnv {
  const found: NodeJS.ProcessEnv = {}
  for (const name of names) {
    if (Object.hasOwn(process.env, name)) found[name] = process.env[name]
  }
  return found
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
