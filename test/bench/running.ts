import type { ChildProcess } from 'node:child_process'
import { readFileSync, truncateSync } from 'node:fs'
import { cpuOf, memoryOf, readProcesses, treeOf } from './process-tree.ts'

/** How long a process has to end by itself, ms. */
const patience = 10_000

/** A process that the bench has started, with its descendants. */
export class Running {
  readonly pid: number
  readonly #log: string | undefined
  readonly #ended: Promise<void>
  #over = false

  /** @param log file that its output goes to. */
  constructor(child: ChildProcess, log?: string) {
    this.pid = child.pid ?? 0
    this.#log = log
    this.#ended = new Promise((resolve) => {
      const end = (): void => {
        this.#over = true
        resolve()
      }
      child.once('exit', end)
      child.once('error', end)
    })
  }

  get hasEnded(): boolean {
    return this.#over
  }

  /** CPU seconds so far. */
  cpu(): number {
    return cpuOf(this.pid)
  }

  /** Resident bytes now. */
  memory(): number {
    return memoryOf(this.pid)
  }

  /** The end of what it has written, for when it fails. */
  output(): string {
    return this.#log === undefined ? '' : readFileSync(this.#log, 'utf8').slice(-2_000)
  }

  /** How often this text is in its output. */
  count(text: string): number {
    return this.#log === undefined ? 0 : readFileSync(this.#log, 'utf8').split(text).length - 1
  }

  /** Makes it read its configuration again, as `kill -HUP` does. */
  reload(): void {
    signal(this.pid, 'SIGHUP')
  }

  /** Access logs grow by the gigabyte, and nobody reads them. */
  forgetOutput(): void {
    if (this.#log !== undefined) truncateSync(this.#log)
  }

  /** Asks it to end, then does not ask. */
  async stop(): Promise<void> {
    if (this.#over) return
    // Noted now: what outlives its parent no longer descends from it.
    const tree = treeOf(this.pid, readProcesses())
    signal(this.pid, 'SIGTERM')
    const timer = setTimeout(() => signal(this.pid, 'SIGKILL'), patience)
    await this.#ended
    clearTimeout(timer)
    const left = readProcesses()
    for (const { pid, started } of tree) {
      // A number may be somebody else's by now.
      if (left.some((one) => one.pid === pid && one.started === started)) signal(pid, 'SIGKILL')
    }
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended by itself.
  }
}
