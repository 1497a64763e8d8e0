import { readFileSync } from 'node:fs'
import { isAbsolute, relative } from 'node:path'
import { type Position, parseJson } from './json.ts'
import type { Path } from './problem.ts'
import type { Problems } from './problems.ts'

/** A file that was read, as messages name it. */
export interface Source {
  /** As `Problem.file`. */
  readonly file: string
  readonly absolute: string
  /** The data as it stands in the file: no references resolved, no defaults. `undefined` when it could not be read. */
  readonly value: unknown
  locate(path: Path): Position | undefined
}

/** Reads a JSON file; what is wrong with it goes to `problems`. */
export function readSource(absolute: string, problems: Problems, missing: string): Source {
  const file = displayName(absolute)
  let text: string
  try {
    text = readFileSync(absolute, 'utf8')
  } catch (error) {
    problems.addAt(file, undefined, (error as NodeJS.ErrnoException).code === 'ENOENT' ? missing : reasonOf(error))
    return { file, absolute, value: undefined, locate: () => undefined }
  }
  const document = parseJson(text)
  for (const { message, line, column } of document.faults) problems.addAt(file, { line, column }, message)
  return { file, absolute, value: document.value, locate: (path) => document.locate(path) }
}

/** A file as people name it: relative to the working directory, absolute when it lies outside. */
export function displayName(absolute: string): string {
  const name = relative(process.cwd(), absolute)
  return name === '' || name.startsWith('..') || isAbsolute(name) ? absolute : name
}

/** Why a file could not be read, without the system's spelling of the path. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES' || code === 'EPERM') return 'the file may not be read by this user'
  if (code === 'EISDIR') return 'it is a folder, not a file'
  return `the file cannot be read: ${message}`
}
