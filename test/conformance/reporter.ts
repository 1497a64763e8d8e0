import { writeSync } from 'node:fs'
import type { Reporter, SerializedError, TestCase, TestModule, TestSuite } from 'vitest/node'

interface Count {
  passed: number
  failed: number
}

/** What the suites of no combination are: tests of reports against others, and of the cases themselves. */
const others = 'reports'

/**
 * Prints a table of the duties for each combination of versions, client→backend, each duty with how many cases hold and which
 * do not. The last lines say how many these are of each combination, and of all: `N passed, N failed`.
 */
export default class ConformanceReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const tables = new Map<string, string[]>()
    const counts = new Map<string, Count>()
    const problemLines: string[] = []
    let broken = unhandled.length
    for (const module of [...modules].sort((a, b) => (a.moduleId < b.moduleId ? 1 : -1))) {
      if (module.errors().length > 0) broken++
      for (const { message } of module.errors()) problemLines.push(`FAILED  ${module.relativeModuleId}: ${message}`)
      for (const suite of module.children.suites()) {
        const [, combination = others, name = suite.name] = /^(h\d→h\d) (.*)/.exec(suite.name) ?? []
        const count = counts.get(combination) ?? { passed: 0, failed: 0 }
        const table = tables.get(combination) ?? []
        table.push(...report(name, suite, count))
        tables.set(combination, table)
        counts.set(combination, count)
      }
    }
    for (const { message } of unhandled) problemLines.push(`FAILED  ${message}`)
    const names = [...tables.keys()].sort((a, b) => Number(a === others) - Number(b === others) || (a < b ? -1 : 1))
    const lines = names.flatMap((name) => [name, ...tables.get(name)!, ''])
    const said = names.map((name) => `${name}: ${textOf(counts.get(name)!)}`)
    const all = [...counts.values()].reduce(
      (sum, one) => ({ passed: sum.passed + one.passed, failed: sum.failed + one.failed }),
      { passed: 0, failed: broken },
    )
    writeSync(1, `${[...lines, ...problemLines, ...said, textOf(all)].join('\n')}\n`)
  }
}

function textOf({ passed, failed }: Count): string {
  return `${passed} passed, ${failed} failed`
}

function report(name: string, suite: TestSuite, count: Count): string[] {
  const tests = [...suite.children.allTests()]
  const failed = tests.filter((test) => test.result().state !== 'passed')
  count.failed += failed.length
  count.passed += tests.length - failed.length
  const verdict = failed.length === 0 ? 'ok    ' : 'FAILED'
  return [
    `${verdict}  ${name.padEnd(60)} ${tests.length - failed.length} of ${tests.length}`,
    ...failed.flatMap((test) => [`        ${test.name}`, ...problems(test)]),
  ]
}

function problems(test: TestCase): string[] {
  return (test.result().errors ?? []).flatMap(({ message, diff }) =>
    `${message}\n${diff ?? ''}`.split('\n').map((line) => `            ${line}`),
  )
}
