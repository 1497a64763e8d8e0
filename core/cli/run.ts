import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from '../config/config-error.ts'
import { formatProblem, printable } from '../config/problem.ts'
import { packageRoot } from '../package-root.ts'
import { Supervisor } from '../process/supervisor.ts'
import { Log } from '../telemetry/log.ts'
import { exampleLines, startExample } from './example.ts'

export interface RunOptions {
  /** Default: `./gateway.json`; if that does not exist, the example of this package. */
  readonly config: string | undefined
  readonly workers: number | undefined
}

/** `postern run`: runs until a signal stops it. Resolves with the exit code. */
export async function run(options: RunOptions): Promise<number> {
  const example = join(packageRoot, 'gateway.json')
  const config = options.config ?? (existsSync('gateway.json') ? 'gateway.json' : example)
  const isExample = existsSync(config) && realpathSync(config) === realpathSync(example)
  if (isExample && options.config === undefined && config === example) {
    say('No gateway.json in this directory: running the built-in example.')
  }
  const log = new Log()
  const signals = new Signals(log)
  const services: { close(): Promise<unknown> }[] = []
  try {
    if (isExample) services.push(await startExample())
    const supervisor = await Supervisor.start({ config, workers: options.workers, log })
    for (const line of describe(supervisor)) say(line)
    if (isExample) for (const line of exampleLines()) say(line)
    say('postern: ready')
    return await signals.obey(supervisor)
  } catch (error) {
    for (const line of explain(error)) say(line)
    return error instanceof ConfigError ? 3 : 1
  } finally {
    for (const one of services) await one.close()
    await log.flush()
  }
}

function describe(supervisor: Supervisor): string[] {
  const { listeners } = supervisor.config
  return Object.entries(listeners).map(([name, { protocol, address }]) => {
    const count = supervisor.routes(name)
    const where = `${protocol} on ${address} port ${supervisor.port(name)}`
    return `postern: listener "${name}": ${where}, ${count} ${count === 1 ? 'route' : 'routes'}`
  })
}

/** A Ctrl-C under npm arrives twice, from the terminal and from npm. */
const echo = 500

/**
 * SIGHUP reloads, SIGTERM and SIGINT drain, a second one terminates immediately. Handled from the start of the process:
 * a signal that arrives before the gateway is running takes effect once it is, instead of ending the process halfway.
 */
class Signals {
  readonly #log: Log
  #supervisor: Supervisor | undefined
  #stopped: { at: number; by: NodeJS.Signals } | undefined
  #isReloadDue = false
  #onEnd: (code: number) => void = () => {}

  constructor(log: Log) {
    this.#log = log
    process.on('SIGTERM', (signal) => this.#stop(signal))
    process.on('SIGINT', (signal) => this.#stop(signal))
    process.on('SIGHUP', () => this.#reload())
  }

  /** Resolves with the exit code when a signal has stopped the gateway. */
  obey(supervisor: Supervisor): Promise<number> {
    this.#supervisor = supervisor
    return new Promise((resolve) => {
      this.#onEnd = resolve
      if (this.#stopped !== undefined) this.#drain(supervisor, this.#stopped.by)
      else if (this.#isReloadDue) this.#reload()
    })
  }

  #stop(signal: NodeJS.Signals): void {
    const supervisor = this.#supervisor
    const stopped = this.#stopped
    if (stopped === undefined) {
      this.#stopped = { at: performance.now(), by: signal }
      if (supervisor !== undefined) this.#drain(supervisor, signal)
    } else if (signal !== 'SIGINT' || stopped.by !== 'SIGINT' || performance.now() - stopped.at > echo) {
      this.#log.warn('terminated immediately', { signal })
      if (supervisor === undefined) process.exit(1)
      void supervisor.close().then(() => this.#onEnd(1))
    }
  }

  #drain(supervisor: Supervisor, signal: NodeJS.Signals): void {
    this.#log.info('draining', { signal })
    void supervisor.drain().then(() => this.#onEnd(0))
  }

  #reload(): void {
    this.#isReloadDue = this.#supervisor === undefined
    this.#supervisor?.reload().then(
      () => this.#log.info('reloaded'),
      (error: unknown) =>
        this.#log.error('reload rejected; still running the previous configuration', { problems: explain(error) }),
    )
  }
}

function explain(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.problems.map(formatProblem)
  return [printable(error instanceof Error ? error.message : String(error))]
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
