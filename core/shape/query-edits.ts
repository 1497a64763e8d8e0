import type { QueryEditsConfig } from '../config/types.ts'
import type { FlowFacts } from '../hooks/scopes.ts'
import { decodeParameter } from '../http/query.ts'
import { type Template, type TemplateProblem, templateOf } from './template.ts'
import { encodeText } from './url-text.ts'

/** Changes of a query. Parameters that they do not name stay as they came, octet for octet and in their order. */
export class QueryEdits {
  readonly #removed: ReadonlySet<string>
  readonly #set: readonly (readonly [string, Template])[]
  readonly #added: readonly (readonly [string, Template])[]

  /** @param config checked */
  constructor({ set = {}, add = {}, remove = [] }: QueryEditsConfig) {
    this.#removed = new Set([...remove, ...Object.keys(set)])
    this.#set = compiled(set)
    this.#added = compiled(add)
  }

  /** @param query without its `?`; `undefined`: the target has none */
  apply(flow: FlowFacts, query: string | undefined): string | undefined | TemplateProblem {
    const parts = query === undefined || query === '' ? [] : query.split('&')
    const kept = this.#removed.size === 0 ? parts : parts.filter((part) => !this.#removed.has(nameOf(part)))
    for (const [name, template] of [...this.#set, ...this.#added]) {
      const value = template.render(flow)
      if (typeof value !== 'string') return value
      kept.push(`${encodeText(Buffer.from(name, 'utf8').toString('latin1'))}=${value}`)
    }
    return kept.length === 0 && query !== '' ? undefined : kept.join('&')
  }
}

function compiled(templates: Readonly<Record<string, string>>): [string, Template][] {
  return Object.entries(templates).map(([name, text]) => [name, templateOf(text, 'query')])
}

function nameOf(part: string): string {
  const end = part.indexOf('=')
  return decodeParameter(end === -1 ? part : part.slice(0, end))
}
