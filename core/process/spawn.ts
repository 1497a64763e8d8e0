import { type ChildProcess, fork, type StdioOptions } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Runs a module of this folder in a new process, with the options that isolated-vm needs.
 *
 * @param cache folder in which processes store compiled code for later ones. `NODE_COMPILE_CACHE` in the environment
 *   takes precedence.
 * @param env Default: the environment of this process.
 */
export function spawnModule(
  name: string,
  stdio: StdioOptions,
  args: readonly string[] = [],
  cache?: string,
  env: NodeJS.ProcessEnv = process.env,
): ChildProcess {
  const file = fileURLToPath(new URL(`./${name}${extname(import.meta.url)}`, import.meta.url))
  return fork(file, args, {
    execArgv: ['--no-node-snapshot', ...conditions()],
    // Keeps Maps and undefined values.
    serialization: 'advanced',
    stdio,
    env: { NODE_COMPILE_CACHE: cache, ...env },
  })
}

/** Export conditions of this process, for its children. */
function conditions(): string[] {
  return process.execArgv.filter((argument) => argument.startsWith('--conditions='))
}

/**
 * Descriptor to which a worker's watchdog writes its report before it kills the process. 0 to 3 are the standard
 * streams and the channel.
 */
export const reportDescriptor = 4
