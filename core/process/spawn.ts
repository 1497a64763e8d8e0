import { type ChildProcess, fork, type StdioOptions } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Every process that was started here and has not exited. */
const children = new Set<ChildProcess>()

/**
 * Runs a module of this folder in a new process, with the options that isolated-vm needs. It never outlives this process.
 *
 * @param cache folder in which processes store compiled code for later ones. `NODE_COMPILE_CACHE` in the environment
 *   takes precedence.
 * @param env Default: the environment of this process.
 * @param flags more options of Node. Default: none.
 */
export function spawnModule(
  name: string,
  stdio: StdioOptions,
  args: readonly string[] = [],
  cache?: string,
  env: NodeJS.ProcessEnv = process.env,
  flags: readonly string[] = [],
): ChildProcess {
  const file = fileURLToPath(new URL(`./${name}${extname(import.meta.url)}`, import.meta.url))
  const child = fork(file, args, {
    // SIGUSR1 would open a debugger, and with it this process to every local user.
    execArgv: ['--no-node-snapshot', '--disable-sigusr1', ...flags, ...conditions()],
    // Keeps Maps and undefined values.
    serialization: 'advanced',
    stdio,
    env: { NODE_COMPILE_CACHE: cache, ...env },
  })
  // A process that could not be started has no exit.
  if (child.pid === undefined) return child
  if (children.size === 0) process.on('exit', killAll)
  children.add(child)
  child.once('exit', () => {
    children.delete(child)
    if (children.size === 0) process.off('exit', killAll)
  })
  return child
}

function killAll(): void {
  for (const child of children) child.kill('SIGKILL')
}

/** Longest wait for killed processes, ms: one that waits in the kernel exits later. */
const killWait = 2_000

/** Ends every process that was started here. Resolves when all of them have exited, or cannot. */
export function endChildren(): Promise<void> {
  const exits = [...children].map((child) => new Promise((resolve) => child.once('exit', resolve)))
  killAll()
  const late = new Promise((resolve) => setTimeout(resolve, killWait).unref())
  return Promise.race([Promise.all(exits), late]).then(() => {})
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
