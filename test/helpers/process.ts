import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { until } from './until.ts'

const main = join(import.meta.dirname, '../../core/main.ts')
/** Compiled code is shared by all the processes of all tests. */
export const cached: NodeJS.ProcessEnv = {
  NODE_COMPILE_CACHE: join(import.meta.dirname, '../../node_modules/.cache/postern-tests'),
}

/** What npm sets for everything below it is not what a user's shell sets. */
const fromNpm = { npm_lifecycle_event: undefined, INIT_CWD: undefined }

export interface PosternProcess {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** Exit code and signal, once it has ended. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Every log record so far. */
  log(): readonly Record<string, unknown>[]
  /** Waits for a log record, of those from `from` on; default: of all. */
  record(matches: (record: Record<string, unknown>) => boolean, from?: number): Promise<Record<string, unknown>>
  /** Whether the process has ended. */
  ended(): boolean
  /** Process ids of the workers that serve now, by slot. */
  workers(): number[]
  /** Port of a listener, as the process printed it. */
  port(listener: string): Promise<number>
}

export interface PosternOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** Most file descriptors of each of its processes; default: as in this process. */
  readonly descriptors?: number
  /** Whether a spare worker waits to take the place of one that dies; default: no, which saves a process. */
  readonly spare?: boolean
  /** Descriptor that becomes its standard output; default: a pipe, which `stdout` and `log` read. */
  readonly output?: number
  /** Says when the process is no longer needed; default: when the test is over. */
  readonly onFinished?: (end: () => void) => void
}

/** Runs the command line as a process of its own; ended, by its pid, when the test is over. */
export function postern(args: readonly string[], options: PosternOptions = {}): PosternProcess {
  const { cwd, env, descriptors, spare = false, output, onFinished = onTestFinished } = options
  const command = [process.execPath, '--no-node-snapshot', '--disable-sigusr1', main, ...args]
  if (descriptors !== undefined) command.unshift('sh', '-c', `ulimit -n ${descriptors}; exec "$0" "$@"`)
  const child = spawn(command[0]!, command.slice(1), {
    stdio: ['ignore', output ?? 'pipe', 'pipe'],
    cwd,
    env: { ...process.env, ...fromNpm, ...cached, ...(!spare && { POSTERN_SPARE: '0' }), ...env },
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
  onFinished(() => {
    if (child.exitCode === null) child.kill('SIGKILL')
  })
  const records: Record<string, unknown>[] = []
  let parsed = 0
  // Tests that wait for a record ask every few milliseconds: each line is parsed once.
  const log = (): readonly Record<string, unknown>[] => {
    const end = stdout.lastIndexOf('\n') + 1
    if (end === parsed) return records
    const lines = stdout.slice(parsed, end).split('\n')
    for (const line of lines) if (line.startsWith('{')) records.push(JSON.parse(line) as Record<string, unknown>)
    parsed = end
    return records
  }
  return {
    child,
    log,
    record: (matches, from = 0) =>
      until(
        () => `a log record; last: ${stdout.slice(-1500)} ${stderr}`,
        () => log().find((record, index) => index >= from && matches(record)),
        30_000,
      ),
    ended: () => child.exitCode !== null || child.signalCode !== null,
    workers: () => {
      const bySlot = new Map<unknown, unknown>()
      for (const { msg, slot, pid } of log()) {
        if (msg === 'worker started') bySlot.set(slot, pid)
        else if (msg === 'worker died') bySlot.delete(slot)
      }
      return [...bySlot].sort(([a], [b]) => Number(a) - Number(b)).map(([, pid]) => Number(pid))
    },
    stdout: () => stdout,
    stderr: () => stderr,
    exited,
    port: async (listener) => {
      const line = new RegExp(`listener "${listener}".* port (\\d+)`)
      return Number(
        (
          await until(
            () => `listener "${listener}": ${stderr}${stdout}`,
            () => line.exec(stderr),
            60_000,
          )
        )[1],
      )
    },
  }
}
