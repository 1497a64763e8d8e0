import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The folder of this package, without a trailing `/`. Sources and built code are at different depths below it; its schemas
 * and policies are not.
 */
export const packageRoot: string = find(dirname(fileURLToPath(import.meta.url)))

function find(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (nameOf(join(at, 'package.json')) === 'postern') return at
    if (dirname(at) === at) throw new Error(`no package.json of postern found above ${folder}; reinstall the package`)
  }
}

function nameOf(file: string): unknown {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { name?: unknown }).name
  } catch {
    return undefined
  }
}
