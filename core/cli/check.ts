import { resolve } from 'node:path'
import { checkConfig } from '../check/check.ts'
import { formatProblem } from '../config/problem.ts'
import { displayName } from '../config/source.ts'
import type { Config } from '../config/types.ts'

/**
 * `postern check`: reports every problem of a configuration. Problems and warnings go to stdout, one per line. With JSON
 * output only the array of problems goes to stdout, empty for a valid configuration, and warnings go to stderr.
 *
 * @returns the exit code: 0, or 3 when the configuration is invalid or missing.
 */
export async function check(options: { config: string; output?: 'text' | 'json' }): Promise<number> {
  const json = options.output === 'json'
  const name = displayName(resolve(options.config))
  const result = await checkConfig(options.config)
  const problems = result.ok ? [] : result.problems
  if (json) process.stdout.write(`${JSON.stringify(problems, null, 2)}\n`)
  if (!result.ok) {
    if (!json) for (const problem of problems) process.stdout.write(`${formatProblem(problem)}\n`)
    process.stderr.write(`${count(problems.length, 'problem')} in ${name}\n`)
    return 3
  }
  const warned = json ? process.stderr : process.stdout
  for (const warning of result.warnings) warned.write(`warning: ${formatProblem(warning)}\n`)
  const summary = `${name}: ok (${summarize(result.config)})\n`
  if (json) process.stderr.write(summary)
  else process.stdout.write(summary)
  return 0
}

function summarize({ listeners, routes, upstreams, policies }: Config): string {
  return [
    count(Object.keys(listeners).length, 'listener'),
    count(Object.keys(routes).length, 'route'),
    count(Object.keys(upstreams).length, 'upstream'),
    count(Object.keys(policies).length, 'policy', 'policies'),
  ].join(', ')
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`
}
