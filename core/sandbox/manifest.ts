import type { GrantName } from '../../sdk/grants.ts'
import { type HookName, hookNames } from '../../sdk/points.ts'
import type { When } from '../../sdk/when.ts'
import type { Manifest, Scopes } from './plugin.ts'
import { type Place, PluginBuildError } from './plugin-build-error.ts'

const nameForm = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/
const members = ['name', 'description', 'options', 'reads', 'writes', 'when', 'answers', 'needs']
/** Characters of a manifest, of which its schema of options is nearly all; and of the scopes for one policy. */
const largest = 262_144
/** Each a list of texts, but for the parts that have parts of their own. */
const whenParts: TriggerParts = {
  ...lists('methods', 'paths', 'headers', 'responseTypes'),
  tls: {
    ...lists('serverName', 'version', 'cipher', 'alpn'),
    client: { verified: 'boolean', ...lists('subject', 'issuer', 'serial', 'san', 'fingerprint') },
  },
}

interface TriggerParts {
  readonly [part: string]: 'list' | 'boolean' | TriggerParts
}

function lists(...names: readonly string[]): TriggerParts {
  return Object.fromEntries(names.map((name) => [name, 'list'] as const))
}

/**
 * Checks a plugin's manifest.
 *
 * @param text JSON written inside the plugin's realm, so it may contain anything.
 * @param place of every problem.
 * @throws {PluginBuildError} with all problems.
 */
export function readManifest(text: string, place?: Place): Manifest {
  if (text.length > largest) throw invalid([`the plugin's declarations have more than ${largest} characters`], place)
  const said = readObject(text)
  if (said === undefined || said.kind !== 'object') {
    const found = typeof said?.kind === 'string' && said.kind !== 'undefined' ? `, not ${said.kind.slice(0, 20)}` : ''
    throw invalid([`the default export must be a plugin, made by definePlugin({ … })${found}`], place)
  }
  const problems: string[] = []
  const { name, description = '', options, needs = [], answers = false } = said
  if (typeof name !== 'string' || !nameForm.test(name) || name.length > 64) {
    problems.push(`name must be lower-case letters, digits and dashes, beginning with a letter, not ${show(name)}`)
  }
  if (typeof description !== 'string') problems.push(`description must be a string, not ${show(description)}`)
  problems.push(...schemaProblems(options))
  if (!Array.isArray(needs)) problems.push(`needs must be a list of grants, not ${show(needs)}`)
  else {
    for (const need of needs) {
      if (!(grantNames as readonly unknown[]).includes(need)) {
        problems.push(`needs: there is no grant ${show(need)}; the grants are ${grantNames.join(', ')}`)
      }
    }
  }
  if (typeof answers !== 'boolean') problems.push(`answers must be true or false, not ${show(answers)}`)
  const hooks = readHooks(said.members, problems)
  if (problems.length > 0) throw invalid(problems, place)
  return {
    name: name as string,
    description: description as string,
    options: options as Record<string, unknown> | undefined,
    needs: [...new Set(needs as string[])],
    hooks,
    answers: answers === true,
  }
}

/** Checks the form of `reads`, `writes` and `when` as evaluated inside; not whether the fields exist. */
export function readScopes(text: string, place?: Place): Scopes {
  if (text.length > largest) throw invalid([`reads, writes and when have more than ${largest} characters`], place)
  const said = readObject(text)
  const problems: string[] = []
  const list = (key: 'reads' | 'writes'): string[] => {
    const value = said?.[key]
    if (Array.isArray(value) && value.length <= 1_000 && value.every((scope) => typeof scope === 'string')) return value
    problems.push(`${key} must be a list of scopes, or a function of the options that returns one, not ${show(value)}`)
    return []
  }
  const when = readWhen(said?.when, (problem) => problems.push(problem))
  const scopes = { reads: list('reads'), writes: list('writes'), ...(when === undefined ? {} : { when }) }
  if (problems.length > 0) throw invalid(problems, place)
  return scopes
}

function invalid(problems: readonly string[], place: Place | undefined): PluginBuildError {
  return new PluginBuildError(problems.map((message) => ({ place, message })))
}

function readWhen(said: unknown, report: (problem: string) => void): When | undefined {
  if (said === undefined) return undefined
  const parts = isObject(said) ? Object.entries(said) : undefined
  if (parts === undefined) {
    report(`when must be an object, or a function of the options that returns one, not ${show(said)}`)
    return undefined
  }
  readParts('when', parts, whenParts, report)
  return said as When
}

function readParts(
  where: string,
  said: readonly (readonly [string, unknown])[],
  known: TriggerParts,
  report: (problem: string) => void,
): void {
  for (const [part, value] of said) {
    const kind = Object.hasOwn(known, part) ? known[part] : undefined
    const path = `${where}.${part}`
    if (kind === undefined) {
      report(`${where} has no "${part}"; its parts are ${Object.keys(known).join(', ')}`)
    } else if (kind === 'boolean') {
      if (typeof value !== 'boolean') report(`${path} must be true or false, not ${show(value)}`)
    } else if (kind !== 'list') {
      if (isObject(value)) readParts(path, Object.entries(value), kind, report)
      else report(`${path} must be an object, not ${show(value)}`)
    } else if (!Array.isArray(value) || value.length > 1_000 || !value.every((entry) => typeof entry === 'string')) {
      report(`${path} must be a list of strings, not ${show(value)}`)
    }
  }
}

function schemaProblems(options: unknown): string[] {
  if (options === undefined) return []
  const schema = isObject(options) ? options : {}
  if (schema.type !== 'object') return [`options must be a JSON Schema with type: 'object', not ${show(options)}`]
  if (schema.properties !== undefined && !isObject(schema.properties)) {
    return [`options.properties must be an object that names every option, not ${show(schema.properties)}`]
  }
  return []
}

function readHooks(said: unknown, problems: string[]): HookName[] {
  const hooks: HookName[] = []
  for (const member of Array.isArray(said) ? said : []) {
    const [key, type] = Array.isArray(member) ? member : []
    if (members.includes(key as string) || type === 'undefined') continue
    if (!(hookNames as readonly unknown[]).includes(key)) {
      const hint =
        type === 'function' ? hookHint(String(key)) : `besides hooks, a plugin may have ${members.join(', ')}`
      problems.push(`there is no ${type === 'function' ? 'hook' : 'member'} ${show(key)}; ${hint}`)
    } else if (type !== 'function') problems.push(`${String(key)} must be a function, not ${show(type)}`)
    else hooks.push(key as HookName)
  }
  if (hooks.length === 0 && problems.length === 0)
    problems.push(`the plugin has no hook; the hooks are ${hookNames.join(', ')}`)
  return hooks
}

function hookHint(name: string): string {
  const near = hookNames.find((hook) => hook.toLowerCase() === name.toLowerCase())
  return near === undefined ? `the hooks are ${hookNames.join(', ')}` : `did you mean "${near}"?`
}

function readObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function show(value: unknown): string {
  if (value === undefined) return 'undefined'
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

/** The grants that a plugin may name in `needs`. */
const grantNames: readonly GrantName[] = ['counter', 'digest', 'fetch', 'jwt', 'kv', 'log', 'metric']
