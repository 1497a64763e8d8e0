import { readFileSync, statSync } from 'node:fs'
import { isAbsolute, relative } from 'node:path'
import { type Position, parseJson } from './json.ts'
import type { Path } from './problem.ts'
import type { Problems } from './problems.ts'

/** A file that was read, and the name that messages use for it. */
export interface Source {
  /** As `Problem.file`. */
  readonly file: string
  readonly absolute: string
  /** The data as written in the file: no references resolved, no defaults. `undefined` when it could not be read. */
  readonly value: unknown
  locate(path: Path): Position | undefined
  /** The keys of the object at the path, in the order written. */
  keysOf(path: Path): readonly string[]
}

/**
 * Reads a JSON file and adds its faults to `problems`.
 *
 * @param missing message for a file that does not exist
 */
export function readSource(absolute: string, problems: Problems, missing: string): Source {
  const file = displayName(absolute)
  const unreadable = (problem: string): Source => {
    problems.addAt(file, undefined, problem)
    return { file, absolute, value: undefined, locate: () => undefined, keysOf: () => [] }
  }
  let text: string
  try {
    // Reading a pipe would wait for somebody who writes to it.
    const facts = statSync(absolute)
    if (!facts.isFile() && !facts.isDirectory()) return unreadable('it is not a regular file')
    text = readFileSync(absolute, 'utf8')
  } catch (error) {
    return unreadable((error as NodeJS.ErrnoException).code === 'ENOENT' ? missing : reasonOf(error))
  }
  const document = parseJson(text)
  for (const { message, line, column } of document.faults) problems.addAt(file, { line, column }, message)
  const { value, locate, keysOf } = document
  return { file, absolute, value, locate, keysOf }
}

/** A file name for messages: relative to the working directory, absolute when the file is outside of it. */
export function displayName(absolute: string): string {
  const name = relative(process.cwd(), absolute)
  return name === '' || name.startsWith('..') || isAbsolute(name) ? absolute : name
}

/** Why a file could not be read, without its path. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'the file does not exist'
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied'
  if (code === 'EISDIR') return 'it is a directory, not a file'
  return `the file cannot be read: ${message}`
}
