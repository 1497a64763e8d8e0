import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Text of a file of the tree. */
export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

export interface Source {
  /** From the root of the tree, with `/`. */
  readonly path: string
  readonly lines: number
  /** Without comments: what they say binds nobody. */
  readonly code: string
  /** What it imports, types included. */
  readonly imports: readonly string[]
}

/** Every TypeScript file below a top-level folder. */
export function sourcesOf(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => readSource(join(entry.parentPath, entry.name)))
}

function readSource(file: string): Source {
  const text = readFileSync(file, 'utf8')
  const code = text
    .split('\n')
    .filter((line) => !/^\s*(\/\/|\/\*|\*)/.test(line))
    .map((line) => line.replace(/\s\/\/ .*$/, ''))
    .join('\n')
  const imports = [
    ...code.matchAll(/^(?:import|export)\b[^'"]*?\bfrom '([^']+)'/gm),
    ...code.matchAll(/^import '([^']+)'/gm),
    ...code.matchAll(/\b(?:import|require|resolve)\(\s*'([^']+)'/g),
  ].map((match) => match[1]!)
  return { path: relative(root, file).split(sep).join('/'), lines: text.split('\n').length - 1, code, imports }
}
