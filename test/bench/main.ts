// Measures this gateway beside others: see README.md.
import { readFileSync, writeFileSync } from 'node:fs'
import { runBench } from './bench.ts'
import { type BenchOptions, parseOptions, usage } from './options.ts'
import { drawChart } from './report/chart.ts'
import { insertBetweenMarkers, toMarkdown } from './report/markdown.ts'
import { toText } from './report/text.ts'
import type { Results } from './results.ts'

const args = process.argv.slice(2)

try {
  const options = parseOptions(args)
  if (options.help) process.stdout.write(`${usage}\n`)
  else await main(options)
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

async function main(options: BenchOptions): Promise<void> {
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => stopping.abort(new Error(`ended by ${signal}`)))
  }
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  const command = ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' ')
  const results = await runBench({ options, command, say, signal: stopping.signal })
  process.stdout.write(toText(results))
  write(options, results)
}

function write({ json, svg, readme }: BenchOptions, results: Results): void {
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, undefined, 2)}\n`)
  if (svg !== undefined) writeFileSync(svg, drawChart(results))
  if (readme !== undefined) {
    writeFileSync(readme, insertBetweenMarkers(readFileSync(readme, 'utf8'), toMarkdown(results)))
  }
}
