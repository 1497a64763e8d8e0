import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import LongestFirst from './test/helpers/longest-first.ts'

/** Tests that start processes, or tell what those hold: each file in a process of its own. */
const apart = [
  'test/bench/**',
  'test/guard/**',
  'test/hostile/**',
  'test/http2/{floods,fuzz,hostile,peers,grpc-js}.test.ts',
  'test/package/**',
  'test/net/raw-check.test.ts',
  'test/peers/**',
  'test/process/{counters,ending,supervisor}.test.ts',
  'test/flow/{health-hook,http,process,quarantine}.test.ts',
  'test/tls/{half-open,reload,resumption,secrets}.test.ts',
  'test/tls/acme/{gateway,order}.test.ts',
  // Run other files of tests, over TLS: they must not have been loaded before.
  'test/http1/tls.test.ts',
  'test/tls/{flow,conformance,hostile}.test.ts',
].map((pattern) => (pattern.endsWith('**') ? `${pattern}/*.test.ts` : pattern))

export default defineConfig({
  resolve: { conditions: ['postern-source'] },
  ssr: { resolve: { conditions: ['postern-source'] } },
  test: {
    // Real isolates and real sockets: processes, not threads (isolated-vm wants no node snapshot in its process).
    pool: 'forks',
    execArgv: ['--no-node-snapshot', '--conditions=postern-source'],
    // Tests of processes wait for half of their time: for ends, limits, restarts, checks of low priority.
    maxWorkers: Math.max(2, availableParallelism() * 2),
    sequence: { sequencer: LongestFirst },
    // Whole gateways, several processes each, on machines that do other things too.
    testTimeout: 90_000,
    expect: { poll: { timeout: 30_000 } },
    reporters: ['default', './test/helpers/count-reporter.ts'],
    projects: [
      { extends: true, test: { name: 'processes', include: apart } },
      {
        extends: true,
        // Loading the modules under test takes longer than most of these tests: a process keeps them from file to file.
        test: {
          name: 'modules',
          isolate: false,
          include: ['test/**/*.test.ts', 'plugins/**/*.test.ts'],
          exclude: apart,
        },
      },
    ],
  },
})
