import { writeSync } from 'node:fs'
import type { Reporter, SerializedError, TestCase, TestModule, TestSuite } from 'vitest/node'

/** Prints the duties, each with how many cases hold and which do not, and ends with `N passed, N failed`. */
export default class ConformanceReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const lines: string[] = []
    const count = { passed: 0, failed: unhandled.length }
    for (const module of [...modules].sort((a, b) => (a.moduleId < b.moduleId ? 1 : -1))) {
      if (module.errors().length > 0) count.failed++
      for (const { message } of module.errors()) lines.push(`FAILED  ${module.relativeModuleId}: ${message}`)
      for (const suite of module.children.suites()) lines.push(...report(suite, count))
    }
    for (const { message } of unhandled) lines.push(`FAILED  ${message}`)
    lines.push(`${count.passed} passed, ${count.failed} failed`)
    writeSync(1, `${lines.join('\n')}\n`)
  }
}

function report(suite: TestSuite, count: { passed: number; failed: number }): string[] {
  const tests = [...suite.children.allTests()]
  const failed = tests.filter((test) => test.result().state !== 'passed')
  count.failed += failed.length
  count.passed += tests.length - failed.length
  const verdict = failed.length === 0 ? 'ok    ' : 'FAILED'
  return [
    `${verdict}  ${suite.name.padEnd(60)} ${tests.length - failed.length} of ${tests.length}`,
    ...failed.flatMap((test) => [`        ${test.name}`, ...problems(test)]),
  ]
}

function problems(test: TestCase): string[] {
  return (test.result().errors ?? []).flatMap(({ message, diff }) =>
    `${message}\n${diff ?? ''}`.split('\n').map((line) => `            ${line}`),
  )
}
