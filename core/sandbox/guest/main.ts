import { definePlugin } from '../../../sdk/plugin.ts'
import { reply } from '../../../sdk/reply.ts'
import { refuseCodeFromText } from './code-from-text.ts'
import { forwardConsole, type Say } from './console.ts'
import { describePlugin, describeScopes } from './describe.ts'
import { Guest } from './guest.ts'
import { boundMemory } from './memory.ts'
import type { Start } from './run.ts'
import { encodeThrown } from './thrown.ts'

/** The host's view of a plugin's realm: functions that take and return primitives. */
export interface Realm {
  /** The error that starting the module threw, encoded; empty when absent. */
  problem(): string
  describe(): string
  scopes(options: string): string
  /** Sets the plugin's policies and entries up. Returns the problem, encoded; empty when absent. */
  setUp(setup: string): string
  enter(id: number, entry: number, text: string): string
  start(...input: Parameters<Start>): unknown
}

/** Prepares a new realm before any code of the plugin runs in it. `emit` receives the records of hooks that waited, `say`
 * what the plugin writes to `console`. */
export function openRealm(emit: (id: number, record: string) => void, say: Say): Realm {
  const scope = globalThis as Record<string, unknown>
  refuseCodeFromText(scope, scope)
  boundMemory(scope)
  forwardConsole(scope, say)

  let problem = 'E'
  let plugin: unknown
  let guest: Guest | undefined
  let started = false
  scope.__postern = Object.freeze({
    definePlugin,
    reply,
    start: (load: () => unknown) => {
      if (started) return
      started = true
      try {
        plugin = load()
        problem = ''
      } catch (thrown) {
        problem = encodeThrown(thrown)
      }
    },
  })
  return {
    problem: () => problem,
    describe: () => describePlugin(plugin),
    scopes: (options) => describeScopes(plugin as object, options),
    setUp: (setup) => {
      try {
        guest = new Guest(plugin as object, setup, emit)
        return ''
      } catch (thrown) {
        return encodeThrown(thrown)
      }
    },
    enter: (id, entry, text) => guest!.enter(id, entry, text),
    start: (id, number, bits, state, a, b, c, d, e, f, g, h) =>
      guest!.start(id, number, bits, state, a!, b!, c!, d!, e!, f!, g!, h!),
  }
}
