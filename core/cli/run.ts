import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { formatProblem } from '../config/problem.ts'
import { exampleLines, startExample } from '../example.ts'
import { ConfigError, Gateway } from '../gateway.ts'
import { packageRoot } from '../package-root.ts'

/** `postern run`: runs until a signal ends it. Resolves with the exit code. */
export async function run(options: { config: string | undefined }): Promise<number> {
  const example = join(packageRoot, 'gateway.json')
  const config = options.config ?? (existsSync('gateway.json') ? 'gateway.json' : example)
  const isExample = existsSync(config) && realpathSync(config) === realpathSync(example)
  const services = isExample ? await startExample().catch(refused) : undefined
  if (services === null) return 1
  const gateway = await Gateway.start({ config }).catch(refused)
  if (gateway === null) {
    await services?.close()
    return process.exitCode === 3 ? 3 : 1
  }
  if (options.config === undefined && isExample && !existsSync('gateway.json')) {
    say('There is no gateway.json here: this is the built-in example.')
  }
  for (const line of describe(gateway)) say(line)
  if (isExample) for (const line of exampleLines()) say(line)
  await untilStopped(gateway)
  await services?.close()
  return 0
}

function describe(gateway: Gateway): string[] {
  const { listeners, config } = gateway.snapshot
  return [...listeners.values()].map((plan) => {
    const routes = Object.values(config.routes).filter((route) => route.listener === plan.name).length
    const where = `${plan.config.protocol} on ${plan.config.address} port ${gateway.port(plan.name)}`
    return `postern: listener "${plan.name}": ${where}, ${routes} ${routes === 1 ? 'route' : 'routes'}`
  })
}

/** SIGHUP reloads, SIGTERM and SIGINT drain, a second one ends at once. */
function untilStopped(gateway: Gateway): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false
    const stop = (signal: NodeJS.Signals): void => {
      if (stopping) {
        gateway.log.warn('ended at once', { signal })
        void gateway.close().then(() => process.exit(1))
        return
      }
      stopping = true
      gateway.log.info('draining', { signal, active: gateway.active })
      void gateway.drain().then(resolve)
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
    process.on('SIGHUP', () => {
      gateway.reload().then(
        () => gateway.log.info('reloaded'),
        (error: unknown) =>
          gateway.log.error('reload refused, the old configuration goes on', { problems: explain(error) }),
      )
    })
  })
}

function explain(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.problems.map(formatProblem)
  return [error instanceof Error ? error.message : String(error)]
}

function refused(error: unknown): null {
  process.exitCode = error instanceof ConfigError ? 3 : 1
  for (const line of explain(error)) say(line)
  return null
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
