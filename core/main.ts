import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { version } from './cli/version.ts'

/** Each command imports its code when it runs: `postern version` compiles no schema and starts no isolate. */
function program(): Command {
  const postern = new Command('postern')
    .description('A programmable L4/L7 gateway: gateway logic in TypeScript, sandboxed.')
    .version(version(), '-V, --version')
    .exitOverride()
    .showHelpAfterError('(postern --help lists the commands)')

  postern
    .command('run')
    .description(
      'run the gateway until a signal stops it: SIGHUP reloads, SIGTERM and SIGINT drain, a second one terminates immediately',
    )
    .addOption(config())
    .addOption(
      new Option(
        '--workers <n>',
        'number of worker processes (default: "workers" of the configuration, else one per core)',
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
    .description('check a configuration and its plugins; exits with 3 if there is any problem')
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
    throw new InvalidArgumentError('use a whole number from 1 to 256')
  return count
}

try {
  await program().parseAsync()
} catch (error) {
  // commander has printed the problem; help and version end here too, with exit code 0.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 64
  else {
    process.stderr.write(`postern: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
