import { ownText } from '../own-text.ts'
import { bounds } from './bounds.ts'
import type { Instance } from './plugin.ts'

/**
 * Reports reads of fields that a plugin does not declare, once for each plugin and field: such a read gives
 * `undefined`, which the author can hardly want. Reports nothing in production, that is, when `POSTERN_ENV`, or else
 * `NODE_ENV`, is `production`.
 */
export class UndeclaredReads {
  /** Fields by the hash of the plugin. */
  readonly #reported = new Map<string, Set<string>>()
  readonly #silent: boolean

  constructor(env: NodeJS.ProcessEnv = process.env) {
    this.#silent = (env.POSTERN_ENV ?? env.NODE_ENV) === 'production'
  }

  /**
   * The message to log; `undefined` when it was reported before, or when another hook of the policy declares the field,
   * which is then legitimately absent in this one.
   */
  message({ plugin, fields }: Instance, field: string): string | undefined {
    if (this.#silent) return undefined
    if (Object.values(fields).some((declared) => declared?.includes(field))) return undefined
    let reported = this.#reported.get(plugin.hash)
    if (reported === undefined) {
      reported = new Set()
      this.#reported.set(plugin.hash, reported)
    }
    if (reported.has(field) || reported.size >= bounds.undeclared.fields) return undefined
    reported.add(ownText(field))
    return `the plugin reads ${field} without declaring it and gets undefined; add '${field}' to reads`
  }
}
