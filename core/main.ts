import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { version } from './cli/version.ts'

/** Commands import what they need when they run: `postern version` compiles no schema and starts no isolate. */
function program(): Command {
  const postern = new Command('postern')
    .description('A programmable L4/L7 gateway: gateway logic in TypeScript, sandboxed.')
    .version(version(), '-V, --version')
    .exitOverride()
    .showHelpAfterError('(postern --help lists the commands)')

  postern
    .command('run')
    .description(
      'run the gateway until a signal ends it: SIGHUP reloads, SIGTERM and SIGINT drain, a second one ends at once',
    )
    .addOption(config())
    .addOption(
      new Option(
        '--workers <n>',
        'number of worker processes (default: what the configuration says, else one per core)',
      )
        .env('POSTERN_WORKERS')
        .argParser(workers),
    )
    .action(async (options: { config?: string; workers?: number }) => {
      const { run } = await import('./cli/run.ts')
      process.exitCode = await run({ config: options.config, workers: options.workers })
    })

  postern
    .command('check')
    .description('check a configuration and the plugins it names; exits with 3 on any problem')
    .addOption(config().default('gateway.json'))
    .addOption(new Option('--output <format>', 'how to print the problems').choices(['text', 'json']).default('text'))
    .action(async (options: { config: string; output: 'text' | 'json' }) => {
      const { check } = await import('./cli/check.ts')
      process.exitCode = await check(options)
    })

  postern
    .command('schema')
    .description('print the JSON Schema of gateway.json, with the options of the installed plugins')
    .addOption(config())
    .action(async (options: { config?: string }) => {
      const { schema } = await import('./cli/schema.ts')
      process.exitCode = await schema(options)
    })

  postern
    .command('version')
    .description('print the version')
    .action(() => {
      process.stdout.write(`${version()}\n`)
    })

  return postern
}

function config(): Option {
  return new Option('-c, --config <file>', 'the configuration (default: gateway.json)').env('POSTERN_CONFIG')
}

function workers(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1 || count > 256)
    throw new InvalidArgumentError('a whole number from 1 to 256')
  return count
}

try {
  await program().parseAsync()
} catch (error) {
  // commander has said what is wrong; help and version come this way too, with exit code 0.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 64
  else {
    process.stderr.write(`postern: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
