import { writeSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import ivm from 'isolated-vm'
import { bounds } from './bounds.ts'
import type { LeaseMemory } from './crossing-leases.ts'
import type { Dispatcher } from './guest/dispatcher.ts'
import type { Realm } from './guest/main.ts'
import { runtime } from './runtime.ts'
import { scriptName } from './trace.ts'

export type Isolate = ivm.Isolate
type Entry = keyof Realm | keyof Dispatcher

/** A function inside an isolate: takes strings and numbers, returns a string, runs at most `timeout` ms. */
export interface Inside {
  call(values: readonly (string | number)[], timeout: number): string
  readonly reference: ivm.Reference
}

/** How the dispatcher enters a plugin's realm: see `Realm`. */
export interface Entrance {
  readonly enter: Inside
  readonly start: Inside
}

/** @param memory heap limit, MB, at least 8. It is soft: short bursts may exceed it. */
export function createIsolate(memory: number): Isolate {
  const limit = Math.max(8, memory)
  return withNursery(limit / 16, () => openIsolate(limit))
}

function openIsolate(memoryLimit: number): Isolate {
  return new ivm.Isolate({
    memoryLimit,
    // V8 has given up on the isolate, and its thread cannot be recovered.
    onCatastrophicError: (message) => {
      writeSync(2, `postern: an isolate failed and cannot recover, aborting: ${message}\n`)
      process.abort()
    },
  })
}

/**
 * Runs `create` so that the isolate it creates has a young generation of this size. The default of isolated-vm is half
 * a megabyte, which fifty requests fill: its collections took more CPU time than the plugins.
 *
 * V8 offers only a flag for this. The flag takes effect when an isolate is created; the main isolate exists already,
 * and no other thread starts at this moment.
 *
 * @param size MB, limited to 1 to 16.
 */
function withNursery<T>(size: number, create: () => T): T {
  const megabytes = Math.max(1, Math.min(16, Math.floor(size)))
  setFlagsFromString(`--max-semi-space-size=${megabytes}`)
  setFlagsFromString(`--min-semi-space-size=${megabytes}`)
  try {
    return create()
  } finally {
    setFlagsFromString('--max-semi-space-size=0')
    setFlagsFromString('--min-semi-space-size=0')
  }
}

/**
 * Runs a plugin's script in a new context. Errors of the plugin's code do not cross the boundary as exceptions:
 * `problem` returns them.
 *
 * @param timeout how long the script may run, ms.
 * @param say takes what the plugin writes to `console`; returns whether it may write more. Default: nothing is taken.
 * @param plugin its index in its group. Default: it runs alone.
 */
export function openRealm(
  isolate: Isolate,
  script: string,
  emit: (id: unknown, record: unknown) => void,
  timeout: number = bounds.start,
  say: (text: unknown) => boolean = () => false,
  plugin?: number,
): (name: keyof Realm) => Inside {
  const context = isolate.createContextSync()
  const realm = context.evalClosureSync(runtime().realm, [new ivm.Callback(emit), new ivm.Callback(say)], {
    filename: 'postern://guest.js',
    result: { reference: true },
  })
  isolate.compileScriptSync(script, { filename: scriptName(plugin) }).runSync(context, { timeout })
  return (name) => inside(realm, name)
}

/**
 * Opens the dispatcher for two functions of each plugin's realm, in a context of its own.
 *
 * @param entrances `undefined` stands for a plugin that was left out.
 * @param progress shared with a watchdog. Only the dispatcher's context gets it and the leases, never a plugin's context.
 * @param canWait whether hooks get answers in the middle of a crossing.
 * @param leases `undefined`: the host decides all takes of counters.
 */
export function openDispatcher(
  isolate: Isolate,
  entrances: readonly (Entrance | undefined)[],
  progress: SharedArrayBuffer | undefined,
  canWait: boolean,
  leases: LeaseMemory | undefined,
): (name: keyof Dispatcher) => Inside {
  const functions = entrances.flatMap((entrance) => [
    entrance?.enter.reference.derefInto(),
    entrance?.start.reference.derefInto(),
  ])
  const shared = progress && share(progress)
  const memories = leases === undefined ? [] : [leases.journal, ...leases.memories].map(share)
  const context = isolate.createContextSync()
  const given = [shared, canWait, leases?.entries, memories.length, ...memories, ...functions]
  const dispatcher = context.evalClosureSync(runtime().dispatcher, given, {
    filename: 'postern://dispatcher.js',
    result: { reference: true },
  })
  return (name) => inside(dispatcher, name)
}

function share(memory: SharedArrayBuffer): ivm.Copy<SharedArrayBuffer> {
  return new ivm.ExternalCopy(memory).copyInto({ release: true })
}

/** Heap in use, including memory that is allocated outside of it, MB. */
export function heapOf(isolate: Isolate): number {
  if (isolate.isDisposed) return 0
  const { used_heap_size, externally_allocated_size } = isolate.getHeapStatisticsSync()
  return (used_heap_size + externally_allocated_size) / 2 ** 20
}

/** What an isolate accounts for of the memory of the process, MB. */
export function heldBy(isolate: Isolate): number {
  if (isolate.isDisposed) return 0
  const { total_physical_size, malloced_memory, externally_allocated_size } = isolate.getHeapStatisticsSync()
  return (total_physical_size + malloced_memory + externally_allocated_size) / 2 ** 20
}

/** How a crossing that threw has ended. */
export type Failure = { readonly kind: 'time' | 'memory' | 'thrown'; readonly message: string }

/**
 * @param began when the call began, `performance.now`.
 * @param timeout its time limit, ms. Only the clock says that it ran out: a plugin can throw any message.
 */
export function failureOf(isolate: Isolate, error: unknown, began: number, timeout: number): Failure {
  const message = error instanceof Error ? error.message : String(error)
  if (isolate.isDisposed) return { kind: 'memory', message }
  return { kind: performance.now() - began >= timeout ? 'time' : 'thrown', message }
}

function inside(holder: ivm.Reference, name: Entry): Inside {
  const reference = holder.getSync(name, { reference: true }) as ivm.Reference
  return {
    reference,
    call: (values, timeout) => {
      const result: unknown = reference.applySync(undefined, values as (string | number)[], { timeout })
      return typeof result === 'string' ? result : ''
    },
  }
}
