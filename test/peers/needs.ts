import { describe } from 'vitest'
import { hasCommand } from '../bench/installed.ts'

/** Programs of other people that tests run, all of them packages of Debian. */
export type Program = 'nginx' | 'haproxy' | 'curl' | 'openssl' | 'pebble' | 'nghttp' | 'h2load' | 'redis-server'

/**
 * Like `describe`, for tests that cannot do without these programs. Where one is missing they are left out, and the output
 * says so; with `CI_SERVICES=required` they run all the same, and fail.
 */
export function describeWith(programs: readonly Program[], name: string, tests: () => void): void {
  const missing = programs.filter((program) => !hasCommand(program))
  const leftOut = missing.length > 0 && process.env.CI_SERVICES !== 'required'
  if (leftOut) process.stderr.write(`left out, for want of ${missing.join(' and ')}: ${name}\n`)
  describe.skipIf(leftOut)(name, tests)
}
