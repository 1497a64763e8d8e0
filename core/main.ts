import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { RunOptions } from './cli/run.ts'
import { returnToTyped, typed } from './cli/typed.ts'
import { version } from './cli/version.ts'

/** Each command imports its code when it runs: `postern version` compiles no schema and starts no isolate. */
function program(): Command {
  const name = typed()
  const postern = new Command(name)
    .description('A programmable L4/L7 gateway: gateway logic in TypeScript, sandboxed.')
    .version(version(), '-V, --version')
    .exitOverride()
    .showHelpAfterError(`(${name} --help lists the commands)`)

  postern
    .command('run')
    .description(
      'run the gateway until a signal stops it; this is the default command. SIGHUP reloads; SIGTERM, SIGINT and SIGQUIT drain, a second one terminates immediately',
    )
    .addOption(config())
    .addOption(workers())
    .addOption(
      new Option('--log-level <level>', 'lowest level that is logged (default: "log.level" of the configuration)')
        .env('POSTERN_LOG_LEVEL')
        .choices(['debug', 'info', 'warn', 'error', 'silent']),
    )
    .action(async (options: RunOptions) => {
      const { run } = await import('./cli/run.ts')
      process.exitCode = await run(options)
    })

  postern
    .command('demo')
    .description('run the example gateway of this package, with small backends of its own, and print what to try')
    .addOption(workers())
    .action(async (options: { workers?: number }) => {
      const { run, exampleFile } = await import('./cli/run.ts')
      process.exitCode = await run({ ...options, config: exampleFile, demo: true })
    })

  postern
    .command('check')
    .description('check a configuration and its plugins; exits with 3 if there is any problem')
    .addOption(config())
    .addOption(new Option('--output <format>', 'how to print the problems').choices(['text', 'json']).default('text'))
    .option('--strict', 'exit with 3 for warnings too')
    .option('--no-secrets', 'accept that variables and files which the configuration refers to do not exist here')
    .action(async (options: { config?: string; output: 'text' | 'json'; strict?: boolean; secrets: boolean }) => {
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

function workers(): Option {
  const text = 'number of worker processes (default: "workers" of the configuration, else one per core)'
  return new Option('--workers <n>', text).env('POSTERN_WORKERS').argParser((value) => {
    const count = Number(value)
    if (!Number.isInteger(count) || count < 1 || count > 256)
      throw new InvalidArgumentError('use a whole number from 1 to 256')
    return count
  })
}

/** Options of `postern` itself. */
const own = ['-h', '--help', '-V', '--version']

/** The arguments, with `run` in front when they do not begin with a command. */
function withCommand(args: readonly string[]): readonly string[] {
  const [first] = args
  const isRun = first === undefined || (first.startsWith('-') && !own.includes(first))
  return isRun ? ['run', ...args] : args
}

try {
  returnToTyped()
  await program().parseAsync(withCommand(process.argv.slice(2)), { from: 'user' })
} catch (error) {
  // commander has printed the problem; help and version end here too, with exit code 0.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 64
  else {
    process.stderr.write(`postern: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
