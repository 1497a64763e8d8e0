import { resolve } from 'node:path'
import { formatProblem } from '../config/problem.ts'
import { displayName } from '../config/source.ts'
import { type Checked, checkApart } from '../process/checker.ts'
import { pluginAccess } from './plugin-access.ts'

export interface CheckCommand {
  /** Default: `./gateway.json`. */
  readonly config?: string
  /** Default: text. */
  readonly output?: 'text' | 'json'
  /** Whether warnings fail the check. Default: no. */
  readonly strict?: boolean
  /** Whether variables and files that the configuration refers to must exist. Default: yes. */
  readonly secrets?: boolean
}

/**
 * `postern check`: reports every problem of a configuration, and what each of its plugins may do. Everything goes to
 * stdout, one per line, but for a summary of the problems. With JSON output stdout has one object: `problems`, which is
 * empty for a valid configuration, `warnings` and `plugins`. Warnings then go to stderr too.
 *
 * @returns the exit code: 0, or 3 when the configuration is invalid or missing, and with `strict` when it has warnings.
 */
export async function check(options: CheckCommand): Promise<number> {
  const { config = 'gateway.json', output, strict = false, secrets = true } = options
  const json = output === 'json'
  const name = displayName(resolve(config))
  const { result } = await checkApart(config, { mustExist: secrets })
  const problems = result.ok ? [] : result.problems
  const warnings = result.ok ? result.rest.warnings : []
  const plugins = result.ok ? pluginAccess(result.rest) : []
  if (json) process.stdout.write(`${JSON.stringify({ problems, warnings, plugins }, null, 2)}\n`)
  else for (const problem of problems) process.stdout.write(`${formatProblem(problem)}\n`)
  if (!result.ok) {
    process.stderr.write(`${count(problems.length, 'problem')} in ${name}\n`)
    return 3
  }
  const notes = json ? process.stderr : process.stdout
  for (const warning of warnings) notes.write(`warning: ${formatProblem(warning)}\n`)
  for (const { plugin, reads, writes, needs, fetch } of json ? [] : plugins) {
    const uses = needs.map((grant) => (grant === 'fetch' ? `fetch (${listed(fetch)})` : grant))
    notes.write(`plugin ${plugin}: reads ${listed(reads)}; writes ${listed(writes)}; uses ${listed(uses)}\n`)
  }
  if (strict && warnings.length > 0) {
    process.stderr.write(`${count(warnings.length, 'warning')} in ${name}, and --strict\n`)
    return 3
  }
  notes.write(`${name}: ok (${summarize(result)})\n`)
  return 0
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'nothing' : names.join(', ')
}

function summarize({ rest, routes, upstreams }: Extract<Checked['result'], { ok: true }>): string {
  const { listeners, policies } = rest.config
  return [
    count(Object.keys(listeners).length, 'listener'),
    count(routes.size, 'route'),
    count(upstreams.size, 'upstream'),
    count(Object.keys(policies).length, 'policy', 'policies'),
  ].join(', ')
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`
}
