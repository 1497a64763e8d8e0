import { resolve } from 'node:path'
import { mergedSchema } from '../check/merged-schema.ts'
import { formatProblem } from '../config/problem.ts'

/**
 * `postern schema`: prints the schema of `gateway.json` with the options of every installed plugin merged in, so that an
 * editor completes and checks them too. Plugins that cannot be built are left out and reported on stderr.
 *
 * @param options `config`: the configuration whose plugins are included. Default: `gateway.json` in the working
 *   directory, which need not exist.
 * @returns the exit code: 0, or 4 when a plugin cannot be built.
 */
export async function schema(options: { config?: string }): Promise<number> {
  const { schema, problems } = await mergedSchema(resolve(options.config ?? 'gateway.json'))
  process.stdout.write(`${JSON.stringify(schema, null, 2)}\n`)
  for (const problem of problems) process.stderr.write(`${formatProblem(problem)}\n`)
  return problems.length === 0 ? 0 : 4
}
