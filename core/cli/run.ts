import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { isatty } from 'node:tty'
import { ConfigError } from '../config/config-error.ts'
import { displayName } from '../config/source.ts'
import type { LogConfig } from '../config/types.ts'
import { packageRoot } from '../package-root.ts'
import { Supervisor } from '../process/supervisor.ts'
import { Log } from '../telemetry/log.ts'
import { say } from '../telemetry/standard-error.ts'
import { exampleLines, isExample, startExample } from './example.ts'
import { explain } from './explain.ts'
import { Signals } from './signals.ts'
import { typed } from './typed.ts'

export interface RunOptions {
  /** Default: `./gateway.json`. */
  readonly config?: string | undefined
  readonly workers?: number | undefined
  /** Default: as configured. */
  readonly logLevel?: LogConfig['level'] | undefined
  /** Whether the backends of the example are started too. Default: when the configuration is the example. */
  readonly demo?: boolean
}

/** The configuration of `postern demo`. */
export const exampleFile: string = join(packageRoot, 'gateway.json')

/** `postern run`: runs until a signal stops it. Resolves with the exit code. */
export async function run(options: RunOptions): Promise<number> {
  const log = new Log()
  const code = await serve(options, log)
  if (!(await log.flush())) exitNow(code)
  return code
}

async function serve(options: RunOptions, log: Log): Promise<number> {
  const config = options.config ?? 'gateway.json'
  process.title = `postern: supervisor (${displayName(resolve(config))})`
  const example = isExample(config)
  const services: { close(): Promise<unknown> }[] = []
  let signals: Signals | undefined
  try {
    const supervisor = new Supervisor({ config, workers: options.workers, logLevel: options.logLevel, log })
    signals = new Signals(supervisor, log)
    if (example || options.demo === true) services.push(await startExample())
    await supervisor.start()
    for (const line of describe(supervisor)) say(line)
    if (example) for (const line of exampleLines()) say(line)
    say(`postern: ready (pid ${process.pid}; kill -HUP ${process.pid} reloads)`)
    return await signals.ready()
  } catch (error) {
    // Stopped while it was starting: not a failure.
    if (signals?.stopping === true) return await signals.ended
    const problems = explain(error)
    for (const line of problems) say(line)
    if (options.config === undefined && !existsSync(config)) say(`${typed()} demo runs an example.`)
    // Where the log is collected, standard error may not be. A person at a terminal has just read it.
    if (!isatty(1)) log.error('start failed', { problems })
    return error instanceof ConfigError ? 3 : 1
  } finally {
    for (const one of services) await one.close()
  }
}

/**
 * Ends the process although one of its threads waits for a stopped reader of the log. An ordinary exit would wait for that
 * thread; only another program in this process ends it, and keeps the exit code.
 */
function exitNow(code: number): void {
  if (process.execve === undefined || process.platform === 'win32') return process.exit(code)
  process.execve(process.execPath, [process.execPath, '--eval', `process.exit(${code})`], {})
}

function describe(supervisor: Supervisor): string[] {
  const { listeners } = supervisor.config
  return Object.entries(listeners).map(([name, { protocol }]) => {
    const count = supervisor.routes(name)
    const where = `${protocol} on ${supervisor.where(name)}`
    return `postern: listener "${name}": ${where}, ${count} ${count === 1 ? 'route' : 'routes'}`
  })
}
