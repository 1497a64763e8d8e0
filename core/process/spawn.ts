import { type ChildProcess, fork, type StdioOptions } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Runs a module of this folder in a process of its own, with what isolated-vm wants of a process.
 *
 * @param cache folder where processes leave compiled code for the next ones, unless the environment names one.
 */
export function spawnModule(
  name: string,
  stdio: StdioOptions,
  args: readonly string[] = [],
  cache?: string,
): ChildProcess {
  const file = fileURLToPath(new URL(`./${name}${extname(import.meta.url)}`, import.meta.url))
  return fork(file, args, {
    execArgv: ['--no-node-snapshot', ...conditions()],
    // Maps and absent values arrive as they were.
    serialization: 'advanced',
    stdio,
    env: { NODE_COMPILE_CACHE: cache, ...process.env },
  })
}

/** What this process was told about the exports of packages holds for its children too. */
function conditions(): string[] {
  return process.execArgv.filter((argument) => argument.startsWith('--conditions='))
}

/** Where a worker's watchdog writes what it saw before it ends the process: behind standard streams and channel. */
export const reportDescriptor = 4
