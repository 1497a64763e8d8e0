import type { ChildProcess } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
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
/** The process of esbuild that bundles plugins. */
let service: ChildProcess | undefined

/**
 * Memory that esbuild may use, MB. Some files it finds and reads itself: a package.json may be a link to a device without
 * an end.
 */
const mostMemory = 1_024
/** Time between two looks at it, ms. */
const interval = 50

/**
 * Bundles with esbuild, in a process without an environment, which is ended when it uses too much memory.
 *
 * @param entry for problems without a place.
 */
export async function build(options: BuildOptions, entry: string): Promise<Built> {
  const building = withEnvironment({}, () => notingService(() => esbuild().build({ ...options, write: false })))
  const endWatch = watchService()
  try {
    const { outputFiles = [] } = await building
    endWatch()
    return { outputs: outputFiles, problems: [] }
  } catch (error) {
    if (endWatch()) {
      // The next build starts another process.
      await esbuild().stop()
      const message = `bundling the plugin used more than ${mostMemory} MB of memory: is a package.json of it no regular file?`
      return { outputs: [], problems: [{ place: startOf(entry), message }] }
    }
    const { errors } = error as BuildFailure
    if (!Array.isArray(errors)) throw error
    return { outputs: [], problems: errors.map((message) => problemOf(message, entry)) }
  }
}

/** Notes the process that esbuild starts for its first build. */
function notingService<T>(start: () => T): T {
  const note = (message: unknown): void => {
    service = (message as { readonly process: ChildProcess }).process
  }
  subscribe('child_process', note)
  try {
    return start()
  } finally {
    unsubscribe('child_process', note)
  }
}

/** Ends esbuild's process when it uses too much memory. Returns a function that ends the watch and says whether it did. */
function watchService(): () => boolean {
  let isEnded = false
  const timer = setInterval(() => {
    if (memoryOf(service?.pid) <= mostMemory) return
    isEnded = true
    service?.kill('SIGKILL')
  }, interval)
  return () => {
    clearInterval(timer)
    return isEnded
  }
}

/** Resident memory of a process, MB; 0 where it cannot be read: on Linux only it can. */
function memoryOf(pid: number | undefined): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1_024
  } catch {
    return 0
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
