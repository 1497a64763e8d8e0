import { createRequire } from 'node:module'
import type { BuildFailure, BuildOptions, Message, OutputFile } from 'esbuild'
import type { BuildProblem } from './plugin-build-error.ts'
import { startOf } from './trace.ts'

type Esbuild = typeof import('esbuild')

export interface Built {
  /** Empty when there are problems. */
  readonly outputs: readonly { readonly path: string; readonly text: string }[]
  readonly problems: readonly BuildProblem[]
}

let loaded: Esbuild | undefined

/**
 * Bundles with esbuild, in a process without an environment.
 *
 * @param entry for problems without a place.
 */
export async function build(options: BuildOptions, entry: string): Promise<Built> {
  try {
    const { outputFiles = [] } = await withEnvironment({}, () => esbuild().build({ ...options, write: false }))
    return { outputs: outputFiles, problems: [] }
  } catch (error) {
    const { errors } = error as BuildFailure
    if (!Array.isArray(errors)) throw error
    return { outputs: [], problems: errors.map((message) => problemOf(message, entry)) }
  }
}

/** The same for our own code, done when it returns: isolates are opened synchronously. */
export function buildSync(options: BuildOptions): readonly OutputFile[] {
  return withEnvironment({}, () => esbuild().buildSync({ ...options, write: false })).outputFiles
}

/** Loaded on first use: a worker that has adopted a runtime never bundles. */
function esbuild(): Esbuild {
  if (loaded === undefined) {
    const { ESBUILD_BINARY_PATH } = ofThisProcess
    // In a thread of its own it would find the environment again.
    const settings = { ESBUILD_WORKER_THREADS: '0', ...(ESBUILD_BINARY_PATH !== undefined && { ESBUILD_BINARY_PATH }) }
    loaded = withEnvironment(settings, () => createRequire(import.meta.url)('esbuild') as Esbuild)
  }
  return loaded
}

const ofThisProcess = process.env

/** esbuild's process inherits the environment of this one, which may hold secrets, when it is started. */
function withEnvironment<T>(env: NodeJS.ProcessEnv, start: () => T): T {
  const former = process.env
  process.env = env
  try {
    return start()
  } finally {
    process.env = former
  }
}

function problemOf({ text, location }: Message, entry: string): BuildProblem {
  if (location === null) return { place: startOf(entry), message: text }
  const { file, line, column } = location
  return { place: { file, line, column: column + 1 }, message: text }
}
