import { createContext, Script } from 'node:vm'
import { CpuTrial } from '../sandbox/cpu-trial.ts'

/** Holds the function that is to be run; the script calls it, so that V8's time limit for scripts covers it. */
const box = createContext({ run: () => {} }) as { run: () => void }
const script = new Script('run()')
/** Of a `CpuTrial`, ms: no request waits for a check, which has a deadline of its own. */
const surplus = 10_000

/**
 * Runs a function of this process, and ends it when it takes too long: for what plugins and configurations give us to
 * interpret, such as patterns and schemas. Regular expressions end too; a single long call of a builtin does not.
 *
 * @param limit ms of CPU time
 * @param run is called again when only the clock has ended it, so it must have no other effect than its result.
 * @throws {TooSlow} when the function has not returned in time.
 */
export function withinTime<T>(limit: number, run: () => T): T {
  const trial = new CpuTrial(limit, surplus)
  let result: T | undefined
  box.run = () => {
    result = run()
  }
  try {
    while (!ends(trial)) if (trial.ended() !== 'again') throw new TooSlow(limit)
  } finally {
    box.run = () => {}
  }
  return result as T
}

/** Returns whether the function in the box has ended by itself. */
function ends(trial: CpuTrial): boolean {
  try {
    script.runInContext(box, { timeout: trial.begin() })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false
    throw error
  }
}

export class TooSlow extends Error {
  override readonly name = 'TooSlow'

  constructor(limit: number) {
    super(`took more than ${limit} ms`)
  }
}
