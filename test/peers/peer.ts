import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { freePort, reachable } from '../bench/ports.ts'

export interface Peer {
  readonly port: number
  readonly pid: number
  /** All that it printed, for when a test fails. */
  readonly said: () => string
}

/** Where a peer runs. */
export interface Site {
  /** Its own, gone with the test. */
  readonly folder: string
  /** On which it is to listen, on 127.0.0.1. */
  readonly port: number
}

/** Calls `end` when something is no longer needed. */
export type OnFinished = (end: () => void | Promise<void>) => void

/** A folder that is gone when the test is. */
export function temporaryFolder(onFinished: OnFinished = onTestFinished): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-peer-'))
  onFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/**
 * Runs a program that listens, in the foreground and as one process; ended by its pid.
 *
 * @param prepare writes its configuration and gives the command line
 * @param onFinished says when it is no longer needed; default: when the test is over
 */
export async function startPeer(
  prepare: (site: Site) => readonly string[],
  onFinished: OnFinished = onTestFinished,
): Promise<Peer> {
  let said = ''
  // Between the choice of a port and its use another process may take it.
  for (let attempt = 1; attempt <= 5; attempt++) {
    const port = await freePort()
    const [command, ...args] = prepare({ folder: temporaryFolder(onFinished), port })
    const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const hear = (chunk: Buffer): void => {
      said += chunk.toString()
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.on('error', (error) => {
      said += error.message
    })
    endWithTest(child, onFinished)
    if ((await reachable(port, () => isOver(child))) && !isOver(child))
      return { port, pid: child.pid!, said: () => said }
  }
  throw new Error(`a peer does not start: ${said}`)
}

function isOver({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid === undefined || exitCode !== null || signalCode !== null
}

function endWithTest(child: ChildProcess, onFinished: OnFinished): void {
  const end = (): void => {
    if (!isOver(child)) child.kill('SIGKILL')
  }
  // A worker of vitest that is told to go runs no hooks.
  process.once('exit', end)
  onFinished(async () => {
    process.off('exit', end)
    if (isOver(child)) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    end()
    await gone
  })
}
