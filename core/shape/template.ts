import { suggest } from '../config/suggest.ts'
import { type Key, keyForms, parseKey, plainKeys } from '../hooks/key-expression.ts'
import type { FlowFacts } from '../hooks/scopes.ts'
import { isFieldText } from '../http/field-problem.ts'
import { asValue, textOf } from '../http/field-text.ts'
import { encodeInUrl, encodeText, pathProblemOf } from './url-text.ts'

/**
 * Where a value of a template stands, which decides how it is encoded: in the path or a parameter of a request, in a URL, in a
 * header field, in a body that is plain text, HTML or JSON.
 */
export type Place = 'path' | 'query' | 'url' | 'header' | 'text' | 'html' | 'json'

/** A value cannot stand where the template has it. The text is for the log. */
export interface TemplateProblem {
  readonly problem: string
}

type Part = string | Value

interface Value {
  /** As written, for messages. */
  readonly text: string
  readonly isEncoded: boolean
  /** Whether it may have several segments of a path. */
  readonly isWhole: boolean
  readonly capture?: string | undefined
  read(flow: FlowFacts): string | undefined
}

const further: Readonly<Record<string, { isEncoded: boolean; read: (flow: FlowFacts) => string | undefined }>> = {
  scheme: { isEncoded: false, read: ({ request }) => request?.scheme },
  query: { isEncoded: true, read: ({ request }) => request && queryOf(request.full) },
  'request.id': { isEncoded: false, read: ({ id }) => id },
  outcome: { isEncoded: false, read: ({ outcome }) => outcome },
  status: { isEncoded: false, read: ({ response }) => response?.status.toString() },
}

const samples: Readonly<Record<string, string>> = {
  scheme: 'https',
  host: 'a.example',
  path: '/x',
  query: '?x',
  uri: '/x?x',
}

/** A text of the configuration in which key expressions in braces stand for values; `{{` is a brace. A missing value is empty. */
export class Template {
  readonly #place: Place
  readonly #parts: readonly Part[]

  constructor(place: Place, parts: readonly Part[]) {
    this.#place = place
    this.#parts = parts
  }

  /** The captures that it needs. */
  get captures(): string[] {
    return this.#parts.flatMap((part) => (typeof part === 'string' ? [] : (part.capture ?? [])))
  }

  /** Whether it is the same for every flow. */
  get isFixed(): boolean {
    return this.#parts.every((part) => typeof part === 'string')
  }

  /** What it may be. */
  get sample(): string {
    return this.#parts.map((part) => (typeof part === 'string' ? part : (samples[part.text] ?? 'x'))).join('')
  }

  /** Whether it names this value, such as `host`. */
  names(text: string): boolean {
    return this.#parts.some((part) => typeof part !== 'string' && part.text === text)
  }

  /** One character for each octet; in a body, text. */
  render(flow: FlowFacts): string | TemplateProblem {
    let out = ''
    for (const part of this.#parts) {
      if (typeof part === 'string') out += part
      else {
        const value = encode(part, part.read(flow) ?? '', this.#place)
        if (typeof value !== 'string') return value
        out += value
      }
    }
    return out
  }
}

/** Reads a template, or says what is wrong with it. */
export function parseTemplate(text: string, place: Place): Template | TemplateProblem {
  const parts: Part[] = []
  let literal = ''
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== '{') literal += text[i]
    else if (text[i + 1] === '{') {
      literal += '{'
      i++
    } else {
      const end = text.indexOf('}', i)
      if (end === -1) return { problem: 'has a "{" without its "}"; write "{{" for a brace' }
      const value = valueNamed(text.slice(i + 1, end), place)
      if ('problem' in value) return value
      if (literal !== '') parts.push(inPlace(literal, place))
      parts.push(value)
      literal = ''
      i = end
    }
  }
  if (literal !== '') parts.push(inPlace(literal, place))
  return new Template(place, parts)
}

/** The template of a text that has been checked. @throws {TypeError} when it has not */
export function templateOf(text: string, place: Place): Template {
  const template = parseTemplate(text, place)
  if (template instanceof Template) return template
  throw new TypeError(`unchecked configuration: ${template.problem}`)
}

/** The text that is written in a body stays text; elsewhere it has one character for each octet. */
function inPlace(literal: string, place: Place): string {
  return isBody(place) ? literal : asValue(literal)
}

function isBody(place: Place): boolean {
  return place === 'text' || place === 'html' || place === 'json'
}

function valueNamed(text: string, place: Place): Value | TemplateProblem {
  const own = Object.hasOwn(further, text) ? further[text] : undefined
  const key: Key | TemplateProblem = own === undefined ? parseKey(text) : { text, layers: [], ...own }
  if ('problem' in key) {
    const near = suggest(text, [...plainKeys, ...Object.keys(further)])
    if (near !== undefined) return { problem: `has {${text}}, which is unknown; did you mean "${near}"?` }
    const forms = `${keyForms}, ${Object.keys(further).join(', ')}`
    return {
      problem: text === '' ? `has an empty "{}"; there are ${forms}` : `has {${text}}, but there are only ${forms}`,
    }
  }
  if (place === 'path' && (key.text === 'query' || key.text === 'uri'))
    return { problem: `has {${text}}, but a path has no query; use {path}` }
  const isWhole = key.text === 'path' || key.capture === 'rest'
  return { text: key.text, isEncoded: key.isEncoded, isWhole, capture: key.capture, read: (flow) => key.read(flow) }
}

function encode({ text, isEncoded, isWhole }: Value, value: string, place: Place): string | TemplateProblem {
  switch (place) {
    case 'path': {
      const problem = isWhole ? undefined : pathProblemOf(value)
      if (problem !== undefined) return { problem: `{${text}} has ${problem}, which a part of a path must not have` }
      return isEncoded ? value : encodeText(value)
    }
    case 'query':
      return isEncoded ? encodeInUrl(value).replace(/[&=+?/]/g, percent) : encodeText(value)
    case 'url':
      return isEncoded ? encodeInUrl(value) : text === 'host' || text === 'scheme' ? value : encodeText(value)
    case 'header':
      if (!isFieldText(value)) return { problem: `{${text}} has a control character, which a header must not have` }
      return trimmed(value)
    case 'html':
      return textOf(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
    case 'json':
      return JSON.stringify(textOf(value)).slice(1, -1)
    case 'text':
      return textOf(value)
  }
}

/** Without spaces and tabs at its ends. NBSP is no space here: it may be the last octet of a letter. */
function trimmed(value: string): string {
  let from = 0
  let to = value.length
  while (from < to && isBlank(value, from)) from++
  while (to > from && isBlank(value, to - 1)) to--
  return value.slice(from, to)
}

function isBlank(value: string, at: number): boolean {
  return value[at] === ' ' || value[at] === '\t'
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}

function queryOf(full: string): string {
  const mark = full.indexOf('?')
  return mark === -1 ? '' : full.slice(mark)
}
