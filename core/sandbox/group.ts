import type { GrantHost } from '../grants/grant-host.ts'
import { bounds } from './bounds.ts'
import type { Cell, Crossing, OpenCell } from './cell.ts'
import type { SandboxEvent } from './event.ts'
import type { GrantUse } from './grant-use.ts'
import type { Place } from './layout.ts'
import { PendingCall } from './pending-call.ts'
import type { HookCall, Verdict } from './plugin.ts'
import { readOutput } from './records.ts'
import { entry } from './wire.ts'

export interface GroupOptions {
  /** Who its plugins are from; for events. */
  readonly publisher: string
  readonly open: OpenCell
  /** The largest `time` of its policies, ms. */
  readonly time: number
  readonly grants: GrantHost
  /** How long a hook may wait for its grants, ms. Default: 5,000. */
  readonly wait?: number
  readonly onEvent?: ((event: SandboxEvent) => void) | undefined
}

interface Task {
  readonly pending: PendingCall
  readonly entry: number
  readonly text: string
  /** The isolate that it was meant for; a start is meant for any. */
  readonly generation: number
}

type Failed = Exclude<Crossing, { kind: 'done' }>

const widest = 256
const codes = { time: 'PT', memory: 'PM', thrown: 'PE' } as const

/**
 * The plugins of one publisher, in one isolate. Calls are collected and cross once per turn of the event loop, because
 * a crossing with a time limit costs as much as many calls. When a crossing does not return, the isolate is given up and
 * its calls run again in a new one, each in a crossing of its own: that finds the one to blame, and the others get their
 * normal answer.
 */
export class Group {
  readonly #options: GroupOptions
  readonly #calls = new Map<number, PendingCall>()
  readonly #byCall = new Map<HookCall, PendingCall>()
  #cell: Cell | undefined
  /**
   * Steps of a crossing at most. The dispatcher's slice bounds what hooks do before they first wait, not what they do
   * after: that runs when all steps are done. So a crossing that took long makes the next ones narrow.
   */
  #width = 16
  #generation = 0
  #ready: Task[] = []
  #suspects: Task[] = []
  /** Records that came while a crossing ran; `undefined` outside of one. */
  #emitted: [plugin: number, call: number, record: string][] | undefined
  #scheduled = false
  #closing = false
  #lastId = 0

  /** @throws {PluginBuildError} when a plugin does not start. */
  constructor(options: GroupOptions) {
    this.#options = options
    this.#cell = this.#open()
  }

  call(call: HookCall, place: Place): void {
    if (this.#closing) {
      setImmediate(() => call.settle({ kind: 'failed', code: 'PE', message: 'the sandbox is closed' }))
      return
    }
    const pending = new PendingCall(++this.#lastId, call, place)
    this.#calls.set(pending.id, pending)
    this.#byCall.set(call, pending)
    this.#start(pending)
  }

  cancel(call: HookCall): void {
    const pending = this.#byCall.get(call)
    if (pending !== undefined) this.#end(pending)
  }

  close(): void {
    this.#closing = true
    this.#rest()
  }

  #start(pending: PendingCall): void {
    const { place, call } = pending
    const number = place.entries[call.hook]
    if (number === undefined) {
      setImmediate(() => this.#fail(pending, 'thrown', `plugin "${place.instance.plugin.name}" has no ${call.hook}`))
    } else this.#push({ pending, entry: number, text: call.input, generation: this.#generation })
  }

  #push(task: Task): void {
    if (task.pending.alone) this.#suspects.push(task)
    else this.#ready.push(task)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#scheduled = false
    const until = performance.now() + bounds.slice
    while (this.#suspects.length > 0) {
      const task = this.#suspects.shift()!
      if (this.#isLive(task)) this.#crossAlone(task)
      if (performance.now() >= until) break
    }
    const batch = this.#ready.splice(0, this.#width).filter((task) => this.#isLive(task))
    if (batch.length > 0) this.#crossTogether(batch)
    if (this.#ready.length + this.#suspects.length > 0) this.#schedule()
    this.#rest()
  }

  #isLive({ pending, entry: number, generation }: Task): boolean {
    if (number >= 0) return !pending.over
    return generation === this.#generation && (number === entry.drop || !pending.over)
  }

  #crossTogether(batch: readonly Task[]): void {
    const began = performance.now()
    const crossing = this.#cross(batch, bounds.slice + Math.ceil(this.#options.time))
    const long = performance.now() - began > bounds.slice * 2
    this.#width = long ? Math.max(1, this.#width >> 2) : Math.min(widest, this.#width * 2)
    if (crossing.kind === 'done') {
      this.#apply(batch, crossing)
      return
    }
    for (const { pending } of batch) pending.alone = true
    this.#replace(crossing)
  }

  #crossAlone(task: Task): void {
    const { pending } = task
    const { time, memory } = pending.place.instance.limits
    const before = process.threadCpuUsage()
    const crossing = this.#cross([task], Math.ceil(time) * 2 ** pending.attempts)
    if (crossing.kind === 'done') {
      this.#apply([task], crossing)
      return
    }
    const { user, system } = process.threadCpuUsage(before)
    // The limit is wall time: on a busy machine it runs out while the plugin did not even run.
    const blameless = crossing.kind === 'time' && (user + system) / 1_000 < time * 0.8
    if (blameless && pending.attempts < 2) pending.attempts++
    else {
      const spent = { time: `it took more than ${time} ms`, memory: `it took more than ${memory} MB` }
      this.#fail(pending, crossing.kind, crossing.kind === 'thrown' ? crossing.message : spent[crossing.kind])
    }
    this.#replace(crossing)
  }

  #cross(tasks: readonly Task[], timeout: number): Crossing {
    this.#emitted = []
    try {
      this.#cell ??= this.#open()
      for (const { pending, entry: number } of tasks) if (number >= 0) pending.started = true
      const steps = tasks.map(({ pending, entry: number, text }) => {
        return { plugin: pending.place.plugin, call: pending.id, entry: number, text }
      })
      return this.#cell.cross(steps, timeout)
    } catch (error) {
      return { kind: 'thrown', message: error instanceof Error ? error.message : String(error) }
    }
  }

  #apply(tasks: readonly Task[], { output, rejection }: Extract<Crossing, { kind: 'done' }>): void {
    const emitted = this.#emitted ?? []
    this.#emitted = undefined
    if (rejection !== undefined) this.#event('rejection', undefined, rejection.slice(0, bounds.thrown.message))
    const { done = tasks.length, records } = readOutput(output)
    for (const { pending, entry: number } of tasks.slice(done)) if (number >= 0) pending.started = false
    this.#ready.unshift(...tasks.slice(done))
    const spoken = new Set<number>()
    for (const { call, text } of records) {
      spoken.add(call)
      this.#absorb(this.#calls.get(call), text)
    }
    for (const { pending, entry: number } of tasks.slice(0, done)) {
      if (number >= 0 && !pending.over && !spoken.has(pending.id)) this.#absorb(pending, '')
    }
    for (const [plugin, call, text] of emitted) this.#receive(plugin, call, text)
  }

  /** A record of a hook that waited. */
  #receive(plugin: number, call: number, text: string): void {
    const pending = this.#calls.get(call)
    // Calls of other plugins are none of its business.
    this.#absorb(pending?.place.plugin === plugin ? pending : undefined, text)
    this.#rest()
  }

  #absorb(pending: PendingCall | undefined, text: string): void {
    if (pending === undefined || pending.over) {
      this.#event('late', pending, 'a record came for a call that is over')
      return
    }
    const progress = pending.absorb(text)
    if (typeof progress === 'string') {
      this.#fail(pending, 'thrown', progress)
      return
    }
    for (const use of progress.asked) this.#perform(pending, use)
    for (const use of progress.known) this.#resume(pending, use)
    if (progress.kind === 'done') this.#settle(pending, { kind: 'done', operations: pending.operations })
    else this.#limitWait(pending)
  }

  #perform(pending: PendingCall, use: GrantUse): void {
    const { operation, args } = use
    const policy = pending.place.instance.policy
    const finish = (values: readonly string[] | undefined, message: string): void => {
      if (pending.finish(use, values, message) && pending.started) this.#resume(pending, use)
    }
    this.#options.grants.perform({ operation, args, policy }).then(
      (values) => finish(values, ''),
      (error: unknown) => finish(undefined, error instanceof Error ? error.message : 'the grant failed'),
    )
  }

  #resume(pending: PendingCall, use: GrantUse): void {
    this.#push({ pending, entry: entry.resume, text: use.result!, generation: this.#generation })
  }

  #limitWait(pending: PendingCall): void {
    const { wait = bounds.wait } = this.#options
    pending.deadline ??= setTimeout(() => {
      this.#fail(pending, 'time', `it waited longer than ${wait} ms`)
      this.#rest()
    }, wait).unref()
  }

  #fail(pending: PendingCall, kind: Failed['kind'], message: string): void {
    if (pending.over) return
    this.#event(kind === 'thrown' ? 'threw' : kind === 'time' ? 'timeout' : 'memory', pending, message)
    const { policy, plugin } = pending.place.instance
    const text = `policy "${policy}" (plugin "${plugin.name}"), ${pending.call.hook}, ${codes[kind]}: ${message}`
    this.#settle(pending, { kind: 'failed', code: codes[kind], message: text })
  }

  #settle(pending: PendingCall, verdict: Verdict): void {
    this.#end(pending, verdict.kind === 'done')
    try {
      pending.call.settle(verdict)
    } catch (error) {
      // An error of the flow, not of a plugin: it must not take the rest of the batch with it, nor be lost.
      queueMicrotask(() => {
        throw error
      })
    }
  }

  #end(pending: PendingCall, returned = false): void {
    pending.over = true
    clearTimeout(pending.deadline)
    this.#calls.delete(pending.id)
    this.#byCall.delete(pending.call)
    // The guest still holds it, unless it has come to its end there.
    if (pending.started && !returned) {
      this.#ready.push({ pending, entry: entry.drop, text: '', generation: this.#generation })
      this.#schedule()
    }
  }

  /** Gives the isolate up. Every hook that had begun in it begins anew in the next one. */
  #replace({ kind, message }: Failed): void {
    this.#emitted = undefined
    this.#cell?.dispose()
    this.#cell = undefined
    this.#generation++
    const why = { time: 'a crossing took too long', memory: 'out of memory', thrown: message }[kind]
    this.#event('replaced', undefined, `isolate of "${this.#options.publisher}": ${why}`)
    for (const pending of this.#calls.values()) {
      if (!pending.started) continue
      pending.restart()
      this.#start(pending)
    }
  }

  #open(): Cell {
    return this.#options.open((plugin, call, record) => {
      if (this.#emitted === undefined) this.#receive(plugin, call, record)
      else this.#emitted.push([plugin, call, record])
    })
  }

  #event(type: SandboxEvent['type'], pending: PendingCall | undefined, message: string): void {
    const { onEvent, publisher } = this.#options
    if (pending === undefined) onEvent?.({ type, plugin: publisher, message })
    else {
      const { policy, plugin } = pending.place.instance
      onEvent?.({ type, plugin: plugin.name, policy, hook: pending.call.hook, message })
    }
  }

  /** Closes when asked to and nothing is left to do. */
  #rest(): void {
    if (!this.#closing || this.#calls.size > 0) return
    this.#cell?.dispose()
    this.#cell = undefined
    this.#ready = []
    this.#suspects = []
  }
}
