import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { conditions: ['postern-source'] },
  ssr: { resolve: { conditions: ['postern-source'] } },
  test: {
    include: ['test/**/*.test.ts', 'plugins/**/*.test.ts'],
    // Real isolates and real sockets: processes, not threads (isolated-vm wants no node snapshot in its process).
    pool: 'forks',
    execArgv: ['--no-node-snapshot', '--conditions=postern-source'],
    // Whole gateways, several processes each, on machines that do other things too.
    testTimeout: 90_000,
    reporters: ['default', './test/helpers/count-reporter.ts'],
  },
})
