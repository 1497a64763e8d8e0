import { resolve } from 'node:path'
import { type Problem, printable } from '../config/problem.ts'
import { displayName } from '../config/source.ts'
import { type BuildProblem, PluginBuildError } from '../sandbox/plugin-build-error.ts'

/** A problem of a plugin's code; without a place in the code it is one of whatever names the plugin. */
export interface CodeProblem {
  readonly file?: string
  readonly line?: number
  readonly column?: number
  readonly message: string
}

/** Characters of what a plugin throws. */
const longest = 2_000

/** Each thing that is wrong with a plugin is one problem, however many lines its code has thrown. */
export function codeProblems(error: unknown): readonly CodeProblem[] {
  const problems: readonly BuildProblem[] =
    error instanceof PluginBuildError ? error.problems : [{ place: undefined, message: (error as Error).message }]
  return problems.map(({ place, message }) => {
    const text = message.length > longest ? `${message.slice(0, longest)}…` : message
    if (place === undefined) return { message: text }
    return { file: displayName(resolve(place.file)), line: place.line, column: place.column, message: text }
  })
}

/** The same, for printing. */
export function printableProblems(error: unknown, file: string): Problem[] {
  return codeProblems(error).map(({ message, ...place }) => {
    const at = { file, ...place }
    return { ...at, file: printable(at.file), path: '', message: printable(message) }
  })
}
