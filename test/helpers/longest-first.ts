import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Files that take longest, the longest first: they start first, so that none of them runs alone in the end. The order of the
 * others is Vitest's. A file that is missing here costs time and nothing else.
 */
const longest = [
  'package/package',
  'hostile/innocent',
  'process/supervisor',
  'process/ending',
  'hostile/crash',
  'hostile/churn',
  'hostile/reloads',
  'tls/acme/gateway',
  'hostile/grants',
  'flow/process',
  'tls/flow',
  'http2/peers',
  'hostile/busy',
  'hostile/time',
  'tls/conformance',
  'tls/hostile',
  'guard/crash-slot',
  'hostile/memory',
  'hostile/clients',
  // Of those that share their process.
  'testing/crash',
  'sandbox/answers',
  'sandbox/differential',
  'sandbox/boundary',
  'upstream/pipe',
  'process/checker',
  'check/schema',
  'grants/kept-text',
  'process/restart-delay',
  'memory/lateness',
  'flow/slow',
].map((name) => `/test/${name}.test.ts`)

function placeOf({ moduleId }: TestSpecification): number {
  const place = longest.findIndex((name) => moduleId.endsWith(name))
  return place === -1 ? longest.length : place
}

/**
 * First the files with processes of their own: they leave the shorter ones to fill what time is left. Files that share
 * processes must follow one another, or each lane would load the modules again.
 */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isShared = ({ project }: TestSpecification): number => Number(project.config.isolate === false)
    return sorted.sort((a, b) => isShared(a) - isShared(b) || placeOf(a) - placeOf(b))
  }
}
