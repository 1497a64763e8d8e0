import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPinning, type Pinning, pinned } from './pinning.ts'
import { Running } from './running.ts'

/** A temporary folder and all processes that the bench starts; `close` leaves nothing of either. */
export class Lab {
  readonly folder: string = mkdtempSync(join(memoryFolder(), 'postern-bench-'))
  readonly pinning: Pinning | undefined = createPinning()
  readonly #running = new Set<Running>()
  #closed = false

  /** Starts a server by a command that stays in the foreground. */
  start(name: string, command: readonly string[], cores: string | undefined): Running {
    this.#refuseWhenClosed()
    const file = join(this.folder, `${name}.log`)
    // Appending, so that the log can be cut short while it is written to.
    const log = openSync(file, 'a')
    const [program = '', ...args] = pinned(command, cores)
    const child = spawn(program, args, { cwd: this.folder, stdio: ['ignore', log, log], env: this.#environment() })
    closeSync(log)
    return this.#keep(child, file)
  }

  /** Starts a load generator; what it prints is to be read from the child. */
  load(command: readonly string[]): ChildProcess {
    this.#refuseWhenClosed()
    const [program = '', ...args] = pinned(command, this.pinning?.load)
    const child = spawn(program, args, { cwd: this.folder, stdio: ['pipe', 'pipe', 'pipe'] })
    this.#keep(child)
    return child
  }

  async stop(running: Running): Promise<void> {
    await running.stop()
    this.#running.delete(running)
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#running].map((one) => this.stop(one)))
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** A run that is stopped early may be about to start the next one. */
  #refuseWhenClosed(): void {
    if (this.#closed) throw new Error('the bench has ended')
  }

  #keep(child: ChildProcess, log?: string): Running {
    const running = new Running(child, log)
    this.#running.add(running)
    child.once('exit', () => this.#running.delete(running))
    return running
  }

  /** What a program keeps for its user, it keeps in the folder. */
  #environment(): NodeJS.ProcessEnv {
    const { folder } = this
    return { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
  }
}

/** Logs and bodies are kept in memory where there is some: the bench measures no disk. */
function memoryFolder(): string {
  const shared = '/dev/shm'
  if (!existsSync(shared)) return tmpdir()
  const { bavail, bsize } = statfsSync(shared)
  return bavail * bsize > 2 ** 30 ? shared : tmpdir()
}
