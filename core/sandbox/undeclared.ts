import type { Instance } from './plugin.ts'

/**
 * Reads of fields that a plugin did not declare: they give `undefined`, which an author hardly meant, so a log says it
 * once for each plugin and field. In production it is silent: `POSTERN_ENV`, or else `NODE_ENV`, is `production`.
 */
export class UndeclaredReads {
  readonly #reported = new Set<string>()
  readonly #silent: boolean

  constructor(env: NodeJS.ProcessEnv = process.env) {
    this.#silent = (env.POSTERN_ENV ?? env.NODE_ENV) === 'production'
  }

  /** What the log is to say; `undefined` when it is known, or another hook of the policy may read it: then it is absent here. */
  message({ plugin, fields }: Instance, field: string): string | undefined {
    if (this.#silent || this.#reported.size >= most) return undefined
    if (Object.values(fields).some((declared) => declared?.includes(field))) return undefined
    const key = `${plugin.hash} ${field}`
    if (this.#reported.has(key)) return undefined
    this.#reported.add(key)
    return `the plugin reads ${field} without declaring it and gets undefined; add '${field}' to reads`
  }
}

/** A plugin makes the names up, so there may be any number of them. */
const most = 1_000
