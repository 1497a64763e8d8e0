import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { until } from './until.ts'

const main = join(import.meta.dirname, '../../core/main.ts')

export interface PosternProcess {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** Exit code and signal, once it has ended. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Port of a listener, as the process printed it. */
  port(listener: string): Promise<number>
}

/** Runs the command line as a process of its own; ended, by its pid, when the test is over. */
export function postern(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): PosternProcess {
  const child = spawn(process.execPath, ['--no-node-snapshot', main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
  onTestFinished(() => {
    if (child.exitCode === null) child.kill('SIGKILL')
  })
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    exited,
    port: async (listener) => {
      const line = new RegExp(`listener "${listener}".* port (\\d+)`)
      return Number((await until(`listener "${listener}" (${stderr})`, () => line.exec(stderr)))[1])
    },
  }
}
