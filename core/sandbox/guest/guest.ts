import { type HookName, points } from '../../../sdk/points.ts'
import { ABSENT } from '../../grants/operation.ts'
import { ended } from '../frame.ts'
import { IdTable } from '../id-table.ts'
import { entry, flags, op, UNIT } from '../wire.ts'
import { GuestCall, type HookEntry, joined } from './call.ts'
import { ContextView } from './context.ts'
import { harden } from './harden.ts'
import { writeResult } from './result.ts'
import type { Start } from './run.ts'
import { encodeError, encodeThrown } from './thrown.ts'

/** The policies of a plugin and their hooks, as the host sends them in JSON. */
export interface PluginSetup {
  readonly needs: readonly string[]
  readonly policies: readonly { readonly options: unknown; readonly operations: number }[]
  /** One hook of one policy each; the host calls them by their index. */
  readonly entries: readonly { readonly policy: number; readonly hook: HookName; readonly fields: readonly string[] }[]
}

/**
 * Runs the hooks of one plugin, in the plugin's own realm. The dispatcher only sees `enter` and `start`: primitives in, a
 * string out. They do not throw unless the plugin has changed built-in objects of its realm.
 */
export class Guest {
  readonly #plugin: Record<string, (context: ContextView) => unknown>
  readonly #emit: (id: number, record: string) => void
  readonly #running = new IdTable<GuestCall>()
  readonly #entries: readonly HookEntry[]

  constructor(plugin: object, setup: string, emit: (id: number, record: string) => void) {
    this.#plugin = plugin as Record<string, (context: ContextView) => unknown>
    this.#emit = emit
    const { needs, policies, entries } = JSON.parse(setup) as PluginSetup
    const options = policies.map((policy) => harden(policy.options))
    const undeclared = new Set<string>()
    this.#entries = entries.map(({ policy, hook, fields }) => ({
      hook,
      mayAwait: points[hook].mayAwait,
      fields: new Map(fields.map((field, index) => [field, index])),
      headers: indexesOf('header:', fields),
      responseHeaders: indexesOf('response.header:', fields),
      options: options[policy],
      operations: policies[policy]!.operations,
      needs,
      undeclared,
    }))
  }

  /**
   * Runs one step: starts a hook, resumes one that waits, or drops it. Returns its record, empty when there is nothing
   * new.
   */
  readonly enter = (id: number, number: number, text: string): string => {
    if (number >= 0) return this.#startWith(id, number, text)
    const call = this.#running.get(id)
    if (call === undefined) return ''
    switch (number) {
      case entry.resume:
        call.resume(text)
        return ''
      case entry.answer:
        call.emit = undefined
        call.resume(text)
        return ''
      case entry.collect:
      case entry.release:
        call.emit = number === entry.collect ? undefined : this.#emit
        return this.#collect(call, number === entry.release)
      default:
        this.#running.delete(id)
        call.ended = true
        return ''
    }
  }

  #startWith(id: number, number: number, input: string): string {
    const [layer, state = ABSENT, ...fields] = input.split(UNIT)
    const bits = layer === 'L4' ? flags.isL4 : 0
    const hookEntry = this.#entries[number]!
    const call = new GuestCall(id, hookEntry, bits, state, '', '', '', '', '', '', '', '', fields)
    return this.#run(call, hookEntry)
  }

  /** Starts a hook that declares eight fields at most. */
  readonly start: Start = (id, number, bits, state, a, b, c, d, e, f, g, h): string => {
    const hookEntry = this.#entries[number]!
    const call = new GuestCall(id, hookEntry, bits, state, a!, b!, c!, d!, e!, f!, g!, h!)
    return this.#run(call, hookEntry)
  }

  #run(call: GuestCall, { hook, mayAwait }: HookEntry): string {
    const context = new ContextView(call)
    try {
      const result = this.#plugin[hook]!(context)
      if (isThenable(result)) {
        if (mayAwait) return this.#wait(call, context, result)
        Promise.resolve(result).catch(() => {})
        return this.#fail(call, new TypeError(`${hook} must not wait: it must not be async or return a promise`))
      }
      writeResult(call, context, result)
      call.ended = true
      return call.take()
    } catch (thrown) {
      return this.#fail(call, thrown)
    }
  }

  #wait(call: GuestCall, context: ContextView, result: PromiseLike<unknown>): string {
    const { id } = call
    this.#running.set(id, call)
    const end = (record: string): void => {
      if (this.#running.get(id) === undefined) return
      call.ended = true
      if (call.emit === undefined) {
        call.result = record
        return
      }
      this.#running.delete(id)
      this.#emit(id, record)
    }
    Promise.resolve(result).then(
      (value) => {
        try {
          writeResult(call, context, value)
          end(call.take())
        } catch (thrown) {
          end(this.#fail(call, thrown))
        }
      },
      (thrown) => end(this.#fail(call, thrown)),
    )
    return joined(call.take(), op.wait)
  }

  /** @param all take everything it has asked for; otherwise only when it has asked for a grant, or has ended. */
  #collect(call: GuestCall, all: boolean): string {
    if (!call.ended) return all || call.asks ? joined(call.take(), op.wait) : op.wait
    this.#running.delete(call.id)
    return call.result === '' ? ended : call.result
  }

  #fail(call: GuestCall, thrown: unknown): string {
    call.ended = true
    return joined(call.takeNotes(), encodeThrown(thrown))
  }
}

/** Indexes of the named fields of a family, by name without the family. */
export function indexesOf(family: string, fields: readonly string[]): Map<string, number> {
  const indexes = new Map<string, number>()
  for (const [index, field] of fields.entries()) {
    if (field.startsWith(family) && field !== `${family}*`) indexes.set(field.slice(family.length), index)
  }
  return indexes
}

/** The record of a plugin whose realm no longer works. */
export const broken: string = encodeError('Error', 'the plugin has changed built-in objects that its hooks need')

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
