import { posix } from 'node:path'
import { expect, test } from 'vitest'
import { sourcesOf } from '../rules/sources.ts'

const sources = new Map([...sourcesOf('core'), ...sourcesOf('sdk')].map((source) => [source.path, source]))

/** What a module loads when it starts: imports of values, not of types and not those that run later. */
function loadedBy(start: string): { files: string[]; packages: string[] } {
  const files = new Set([start])
  const packages = new Set<string>()
  for (const file of files) {
    for (const [, specifier] of sources
      .get(file)!
      .code.matchAll(/^(?:import|export) (?!type )(?:[^'"]*?\bfrom )?'([^']+)'/gm)) {
      if (specifier!.startsWith('.')) files.add(posix.join(posix.dirname(file), specifier!))
      else packages.add(specifier!)
    }
  }
  return { files: [...files], packages: [...packages] }
}

/** Each takes a worker's start 50 ms of CPU time or more; an import of node:http loads undici too, Node's own. */
const costly = [
  'undici',
  'acme-client',
  'jose',
  'jsonc-parser',
  'esbuild',
  'rate-limiter-flexible',
  'ajv',
  'node:http',
  'node:https',
  'node:http2',
]

test('a worker loads no configuration checks, and nothing costly that it may never use', () => {
  const { files, packages } = loadedBy('core/process/worker.ts')
  expect(files.length).toBeGreaterThan(50)
  expect(files.filter((path) => /^core\/(check|cli)\//.test(path))).toEqual([])
  expect(packages.filter((name) => costly.includes(name))).toEqual([])
})
