import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { isatty } from 'node:tty'
import type { Supervisor } from '../process/supervisor.ts'
import type { Log } from '../telemetry/log.ts'
import { explain } from './explain.ts'

/** A Ctrl-C under npm arrives twice, from the terminal and from npm. */
const echo = 500
/** A shell may pass a hang-up on before its terminal is gone, ms. */
const hangUp = 1_000
const streams = [0, 1, 2]

/** How often the process looks for a SIGUSR1, ms. */
const usr1Interval = 2_000

/** Signals that other servers give a meaning that this one does not. */
const ignored = {
  SIGUSR1: 'the log is standard output: rotate it there (a pipe, journald, or copytruncate)',
  SIGUSR2: 'there is no upgrade in place: start the new version, then end this one with SIGTERM',
} as const

/**
 * SIGHUP reloads; SIGTERM, SIGINT and SIGQUIT drain, a second one terminates immediately. Handled from before the start:
 * a reload that is asked for meanwhile follows it, a drain ends it.
 */
export class Signals {
  readonly #supervisor: Supervisor
  readonly #log: Log
  readonly #ended = Promise.withResolvers<number>()
  #stopped: { at: number; by: NodeJS.Signals } | undefined
  #isTerminated = false
  #isReady = false
  #isReloadDue = false
  readonly #hasTerminal = streams.some((one) => isatty(one))

  constructor(supervisor: Supervisor, log: Log) {
    this.#supervisor = supervisor
    this.#log = log
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) process.on(signal, () => this.#stop(signal))
    process.on('SIGHUP', () => this.#hangUp())
    process.on('SIGUSR2', () => log.warn(`SIGUSR2 ignored: ${ignored.SIGUSR2}`))
    this.#watchUsr1()
  }

  #watchUsr1(): void {
    const warn = (): void => this.#log.warn(`SIGUSR1 ignored: ${ignored.SIGUSR1}`)
    process.on('SIGUSR1', warn)
    if (process.platform !== 'linux') return
    const timer = setInterval(() => {
      if (!isUsr1Pending()) return
      clearInterval(timer)
      warn()
    }, usr1Interval).unref()
  }

  /** Whether a signal has stopped the gateway. */
  get stopping(): boolean {
    return this.#stopped !== undefined
  }

  /** Resolves with the exit code when a signal has stopped the gateway. */
  get ended(): Promise<number> {
    return this.#ended.promise
  }

  /** The gateway serves: reloads are possible. Resolves as `ended`. */
  ready(): Promise<number> {
    this.#isReady = true
    if (this.#isReloadDue) void this.#reload()
    return this.ended
  }

  #stop(signal: NodeJS.Signals): void {
    const stopped = this.#stopped
    if (stopped === undefined) {
      this.#stopped = { at: performance.now(), by: signal }
      void this.#drain(signal)
    } else if (signal !== 'SIGINT' || stopped.by !== 'SIGINT' || performance.now() - stopped.at > echo) {
      this.#isTerminated = true
      this.#log.warn('terminated immediately', { signal })
      void this.#supervisor.close().then(() => this.#ended.resolve(1))
    }
  }

  async #drain(signal: NodeJS.Signals): Promise<void> {
    const began = performance.now()
    this.#log.info('draining', { signal })
    const { killed, cutOff } = await this.#supervisor.drain()
    if (this.#isTerminated) return
    this.#log.info('drained', { ms: Math.round(performance.now() - began), cutOff })
    this.#ended.resolve(killed === 0 ? 0 : 1)
  }

  /** With its terminal gone, the gateway could be stopped only by those who look for it. */
  #hangUp(): void {
    if (this.#isTerminalGone()) return this.#lost()
    void this.#reload()
    if (!this.#hasTerminal) return
    setTimeout(() => {
      if (this.#isTerminalGone()) this.#lost()
    }, hangUp).unref()
  }

  /** The kernel and the shell both say that the terminal is gone: the second time is no order to end immediately. */
  #lost(): void {
    if (!this.stopping) this.#stop('SIGHUP')
  }

  #isTerminalGone(): boolean {
    return this.#hasTerminal && !streams.some((one) => isatty(one))
  }

  async #reload(): Promise<void> {
    this.#isReloadDue = !this.#isReady
    if (this.stopping || !this.#isReady) return
    const began = performance.now()
    try {
      const { changed, listeners } = await this.#supervisor.reload()
      this.#log.info('reloaded', { changed, listeners, ms: Math.round(performance.now() - began) })
    } catch (error) {
      this.#log.error('reload rejected; still running the previous configuration', { problems: explain(error) })
    }
  }
}

/**
 * Whether SIGUSR1 was sent. With `--disable-sigusr1` Node blocks the signal: it calls no handler, and stays pending for
 * ever.
 */
function isUsr1Pending(): boolean {
  let status = ''
  try {
    status = readFileSync('/proc/self/status', 'utf8')
  } catch {
    // No /proc, or no descriptor left: nothing is said of the signal.
  }
  const [, pending = '0'] = /^ShdPnd:\s*([0-9a-f]+)$/m.exec(status) ?? []
  return (BigInt(`0x${pending}`) & (1n << BigInt(constants.signals.SIGUSR1 - 1))) !== 0n
}
