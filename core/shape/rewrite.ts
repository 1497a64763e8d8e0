import type { RewriteConfig } from '../config/types.ts'
import type { FlowFacts } from '../hooks/scopes.ts'
import { pathProblem, plainPathEnd } from '../route/path.ts'
import { pathKey } from '../route/pattern.ts'
import { QueryEdits } from './query-edits.ts'
import { type Template, type TemplateProblem, templateOf } from './template.ts'

/** Where a request goes, as it is sent upstream. */
export interface Destination {
  /** Path and query. */
  readonly full: string
  /** `Host`. */
  readonly authority: string
}

/** Part of a request as its client sent it. */
export interface ClientTarget {
  readonly full: string
  readonly authority: string
  /** Whether all servers read the same path in it; see `plainPathEnd`. */
  readonly isPlain: boolean
}

/** The `rewrite` of a route, compiled. It applies when the head of a request leaves: routes, policies and logs see the client's. */
export class Rewrite {
  /** Whole segments, percent-decoded, without a slash at the end. */
  readonly #strip: string | undefined
  readonly #add: Template | undefined
  readonly #path: Template | undefined
  readonly #query: QueryEdits | undefined
  readonly host: string

  /** @param config checked */
  constructor({ stripPrefix, addPrefix, path, query, host }: RewriteConfig) {
    this.#strip = stripPrefix === undefined ? undefined : pathKey(stripPrefix)
    this.#add = addPrefix === undefined ? undefined : templateOf(addPrefix, 'path')
    this.#path = path === undefined ? undefined : templateOf(path, 'path')
    this.#query = query === undefined ? undefined : new QueryEdits(query)
    this.host = host
  }

  /** Where the request goes. @param backend its address */
  apply(flow: FlowFacts, target: ClientTarget, backend: string): Destination | TemplateProblem {
    const { full } = target
    const authority = this.host === 'client' ? target.authority : this.host === 'backend' ? backend : this.host
    // `OPTIONS *` asks about the server.
    if (full === '*') return { full, authority }
    const mark = full.indexOf('?')
    const path = this.#pathOf(flow, mark === -1 ? full : full.slice(0, mark))
    if (typeof path !== 'string') return path
    const problem = judged(path, target.isPlain)
    if (problem !== undefined) return { problem: `the rewritten path ${JSON.stringify(path.slice(0, 200))} ${problem}` }
    const query = mark === -1 ? undefined : full.slice(mark + 1)
    const edited = this.#query === undefined ? query : this.#query.apply(flow, query)
    if (typeof edited === 'object') return edited
    return { full: edited === undefined ? path : `${path}?${edited}`, authority }
  }

  #pathOf(flow: FlowFacts, own: string): string | TemplateProblem {
    if (this.#path !== undefined) return this.#path.render(flow)
    let path = own
    if (this.#strip !== undefined) {
      const rest = stripped(path, this.#strip)
      if (rest === undefined) return { problem: `the path does not begin with "${this.#strip}" as it was sent` }
      path = rest
    }
    if (this.#add === undefined) return path
    const prefix = this.#add.render(flow)
    if (typeof prefix !== 'string') return prefix
    return path === '/' && !own.endsWith('/') ? prefix : prefix + path
  }

  /** What turns a path that the backend names into the one that a client asks for; `undefined` for one without such a path. */
  backwards(flow: FlowFacts): (full: string) => string | undefined {
    const added = this.#add?.render(flow) ?? ''
    if (this.#path !== undefined || typeof added !== 'string') return () => undefined
    const prefix = pathKey(added)
    const before = this.#strip === undefined ? '' : encodeURI(this.#strip)
    return (full) => {
      const mark = full.search(/[?#]/)
      const end = mark === -1 ? full.length : mark
      const own = full.slice(0, end)
      const rest = prefix === '' ? own : stripped(own, prefix)
      // Another part of the backend, to which no request of this route leads.
      if (rest === undefined) return undefined
      // The prefix alone names what the stripped one alone does.
      const isBare = prefix !== '' && rest === '/' && !own.endsWith('/')
      return ((isBare ? before : before + rest) || '/') + full.slice(end)
    }
  }
}

/**
 * A path without its first segments; `/` when nothing is left; `undefined` when it does not begin with them.
 *
 * @param prefix percent-decoded
 */
export function stripped(path: string, prefix: string): string | undefined {
  let end = 0
  for (let i = 0; i < prefix.length; i++) {
    if (prefix[i] !== '/') continue
    end = path.indexOf('/', end + 1)
    if (end === -1) end = path.length
  }
  if (pathKey(path.slice(0, end)) !== prefix) return undefined
  return end === path.length ? '/' : path.slice(end)
}

/** Why a path is not sent. @param wasPlain what the client sent had nothing that servers read differently */
function judged(path: string, wasPlain: boolean): string | undefined {
  if (path[0] !== '/') return 'does not begin with "/"'
  if (plainPathEnd(path) === path.length) return undefined
  if (wasPlain) return 'is one that servers read differently'
  if (path.startsWith('//')) return 'begins with "//"'
  return pathProblem(path)?.problem
}
