import { type HookName, points } from '../../../sdk/points.ts'
import { ended } from '../frame.ts'
import { IdTable } from '../id-table.ts'
import { entry, op } from '../wire.ts'
import { type Binding, GuestCall, joined } from './call.ts'
import { ContextView } from './context.ts'
import { harden } from './harden.ts'
import { writeResult } from './result.ts'
import { encodeError, encodeThrown } from './thrown.ts'

/** What the host binds a plugin to, as JSON. */
export interface Bindings {
  readonly needs: readonly string[]
  readonly policies: readonly { readonly options: unknown; readonly operations: number }[]
  /** The entries: one hook of one policy each. */
  readonly entries: readonly { readonly policy: number; readonly hook: HookName; readonly fields: readonly string[] }[]
}

/**
 * Runs the hooks of one plugin, in the plugin's own realm. `enter` is all that the dispatcher sees of it: strings in, a
 * string out, and it does not throw as long as the plugin leaves its realm in order.
 */
export class Guest {
  readonly #plugin: Record<string, (context: ContextView) => unknown>
  readonly #emit: (id: number, record: string) => void
  readonly #running = new IdTable<GuestCall>()
  readonly #bindings: readonly Binding[]

  constructor(plugin: object, bindings: string, emit: (id: number, record: string) => void) {
    this.#plugin = plugin as Record<string, (context: ContextView) => unknown>
    this.#emit = emit
    const { needs, policies, entries } = JSON.parse(bindings) as Bindings
    const options = policies.map((policy) => harden(policy.options))
    const undeclared = new Set<string>()
    this.#bindings = entries.map(({ policy, hook, fields }) => ({
      hook,
      mayAwait: points[hook].mayAwait,
      places: new Map(fields.map((field, place) => [field, place])),
      headers: placesOf('header:', fields),
      responseHeaders: placesOf('response.header:', fields),
      options: options[policy],
      operations: policies[policy]!.operations,
      needs,
      undeclared,
    }))
  }

  /** One step: starts a hook, resumes one that waits, or drops it. Returns its record, empty when there is nothing to say. */
  readonly enter = (id: number, number: number, text: string): string => {
    if (number >= 0) return this.#start(id, this.#bindings[number]!, text)
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

  #start(id: number, binding: Binding, input: string): string {
    const call = new GuestCall(id, binding, input)
    const context = new ContextView(call)
    try {
      const result = this.#plugin[binding.hook]!(context)
      if (isThenable(result)) {
        if (binding.mayAwait) return this.#wait(call, context, result)
        Promise.resolve(result).catch(() => {})
        return this.#fail(call, new TypeError(`${binding.hook} may not wait: it must not be async or return a promise`))
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
    call.emit = this.#emit
    return joined(call.take(), op.wait)
  }

  /** @param all whatever it has asked for; otherwise that stays where it is until the hook asks for a grant, or ends. */
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

/** Of the named ones of a family, by name. */
export function placesOf(family: string, fields: readonly string[]): Map<string, number> {
  const places = new Map<string, number>()
  for (const [place, field] of fields.entries()) {
    if (field.startsWith(family) && field !== `${family}*`) places.set(field.slice(family.length), place)
  }
  return places
}

/** A record for a plugin whose runtime does not work any more. */
export const broken: string = encodeError('Error', "the plugin has broken its own realm's builtins")

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
