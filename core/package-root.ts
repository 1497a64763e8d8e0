import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The folder of this package, with a `/` never at its end: the sources and the built code lie at different depths below
 * it, the schemas and policies that it ships do not.
 */
export const packageRoot: string = find(dirname(fileURLToPath(import.meta.url)))

function find(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (nameOf(join(at, 'package.json')) === 'postern') return at
    if (dirname(at) === at) throw new Error(`no package.json of postern above ${folder}; install the package again`)
  }
}

function nameOf(file: string): unknown {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { name?: unknown }).name
  } catch {
    return undefined
  }
}
