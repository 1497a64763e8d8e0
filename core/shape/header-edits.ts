import type { HeaderEditsConfig } from '../config/types.ts'
import type { FlowFacts } from '../hooks/scopes.ts'
import type { Fields } from '../http/fields.ts'
import { type Template, type TemplateProblem, templateOf } from './template.ts'

/** The `headers.request` or `headers.response` of a route, compiled: removes, then sets, then appends. */
export class HeaderEdits {
  /** Of the fields that it changes. */
  readonly names: ReadonlySet<string>
  readonly #removed: readonly string[]
  readonly #set: readonly (readonly [string, Template])[]
  readonly #appended: readonly (readonly [string, Template])[]

  /** @param config checked, names in lower case */
  constructor({ set = {}, append = {}, remove = [] }: HeaderEditsConfig) {
    this.#removed = remove
    this.#set = compiled(set)
    this.#appended = compiled(append)
    this.names = new Set([...remove, ...Object.keys(set), ...Object.keys(append)])
  }

  /**
   * A value that cannot stand in a header is left out, and so is the line that it would be in.
   *
   * @returns the first such value
   */
  apply(flow: FlowFacts, fields: Fields): TemplateProblem | undefined {
    let problem: TemplateProblem | undefined
    for (const name of this.#removed) fields.delete(name)
    for (const [name, template] of this.#set) {
      const value = template.render(flow)
      if (typeof value === 'string') fields.put(name, value)
      else {
        fields.delete(name)
        problem ??= value
      }
    }
    for (const [name, template] of this.#appended) {
      const value = template.render(flow)
      if (typeof value === 'string') fields.list.push(name, value)
      else problem ??= value
    }
    return problem
  }
}

function compiled(templates: Readonly<Record<string, string>>): [string, Template][] {
  return Object.entries(templates).map(([name, text]) => [name, templateOf(text, 'header')])
}
