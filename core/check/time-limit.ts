import { createContext, Script } from 'node:vm'

/** Holds the function that is to be run; the script calls it, so that V8's time limit for scripts covers it. */
const box = createContext({ run: () => {} }) as { run: () => void }
const script = new Script('run()')

/**
 * Runs a function of this process, and ends it when it takes too long: for what plugins and configurations give us to
 * interpret, such as patterns and schemas. Regular expressions end too; a single long call of a builtin does not.
 *
 * @param limit ms of wall time
 * @throws {TooSlow} when the function has not returned in time.
 */
export function withinTime<T>(limit: number, run: () => T): T {
  let result: T | undefined
  box.run = () => {
    result = run()
  }
  try {
    script.runInContext(box, { timeout: limit })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw new TooSlow(limit)
    throw error
  } finally {
    box.run = () => {}
  }
  return result as T
}

export class TooSlow extends Error {
  override readonly name = 'TooSlow'

  constructor(limit: number) {
    super(`took more than ${limit} ms`)
  }
}
