import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'vitest'
import { cached } from './process.ts'
import { until } from './until.ts'

const fixture = join(import.meta.dirname, '../fixtures/process/guarded.ts')

export interface Guarded {
  readonly child: ChildProcess
  readonly slotFile: string
  /** Resolves when its scenario begins. */
  readonly ready: Promise<unknown>
  readonly exited: Promise<{
    code: number | null
    signal: NodeJS.Signals | null
    stdout: string
    stderr: string
    report: string
  }>
}

/** Concurrent tests have to say which of them it is that ends. */
type Finish = TestContext['onTestFinished']

/** A folder on tmpfs where there is one, removed when the test is over. */
export function slotFolder(onTestFinished: Finish): string {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'postern-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Runs a scenario of the fixture `process/guarded.ts` in a process of its own; ended, by its pid, when the test is over. */
export function guarded(
  { onTestFinished }: TestContext,
  scenario: string,
  options: { slotFile?: string; hard?: number } = {},
): Guarded {
  const { slotFile = join(slotFolder(onTestFinished), 'slot'), hard = 1_000 } = options
  const child = spawn(process.execPath, ['--no-node-snapshot', fixture, scenario, slotFile, `${hard}`], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...cached },
  })
  let stdout = ''
  let stderr = ''
  let report = ''
  child.stdout!.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr!.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  child.stdio[3]!.on('data', (chunk: Buffer) => {
    report += chunk.toString()
  })
  const exited = new Promise<Awaited<Guarded['exited']>>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr, report }))
  })
  onTestFinished(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  })
  return { child, slotFile, ready: until(`scenario ${scenario}`, () => stdout.includes('ready')), exited }
}
