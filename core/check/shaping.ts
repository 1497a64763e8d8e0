import type { Path } from '../config/problem.ts'
import { layerOf } from '../config/protocols.ts'
import { asObject, asText, member } from '../config/untyped.ts'
import { isFieldText, isToken } from '../http/field-problem.ts'
import { FORWARDING, isTreated, NO_PLUGIN } from '../http/header-names.ts'
import { parseAuthority } from '../route/authority.ts'
import { capturesOf } from '../route/captures.ts'
import { plainPathEnd } from '../route/path.ts'
import { pathKey } from '../route/pattern.ts'
import { stripped } from '../shape/rewrite.ts'
import { type Place, parseTemplate, Template } from '../shape/template.ts'
import type { Draft } from './draft.ts'

type Values = Readonly<Record<string, unknown>>

/** What is wrong at a place of a route. */
type Report = (at: Path, message: string) => void

/** Checks `rewrite` and `headers` of every route of an http or https listener; other listeners have neither. */
export function checkShaping({ source, data, problems }: Draft): void {
  for (const [name, value] of Object.entries(asObject(data.routes))) {
    const route = asObject(value)
    const { protocol } = asObject(member(asObject(data.listeners), asText(route.listener) ?? ''))
    if (layerOf(protocol) === 'L4') continue
    const report: Report = (at, message) => problems.add(source, ['routes', name, ...at], message)
    if (Object.hasOwn(route, 'rewrite')) checkRewrite(route, report)
    if (Object.hasOwn(route, 'headers')) checkHeaders(route, report)
  }
}

function checkRewrite(route: Values, report: Report): void {
  const { stripPrefix, addPrefix, path, query, host } = asObject(route.rewrite)
  const of = (key: string): Path => ['rewrite', key]
  if (Object.hasOwn(route, 'reply'))
    return report(['rewrite'], 'a route with "reply" sends nothing upstream; remove it')
  const match = asText(asObject(route.match).path)
  if (path !== undefined) {
    for (const [key, other] of Object.entries({ stripPrefix, addPrefix })) {
      if (other !== undefined) report(of(key), '"path" replaces the whole path; keep one of the two')
    }
  }
  if (typeof stripPrefix === 'string') {
    const problem = prefixProblem(stripPrefix, 'stripPrefix') ?? stripProblem(stripPrefix, match)
    if (problem !== undefined) report(of('stripPrefix'), problem)
  }
  for (const [key, text] of Object.entries({ addPrefix, path })) {
    if (typeof text !== 'string') continue
    if (!text.isWellFormed()) report(of(key), 'has half of a character')
    const template = checkTemplate(text, 'path', match, (message) => report(of(key), message))
    const sample = template?.sample
    const problem = sample === undefined ? undefined : key === 'path' ? pathProblem(sample) : prefixProblem(sample, key)
    if (problem !== undefined) report(of(key), problem)
  }
  checkQuery(asObject(query), match, (at, message) => report([...of('query'), ...at], message))
  const wrong = typeof host === 'string' ? hostProblem(host) : undefined
  if (wrong !== undefined) report(of('host'), wrong)
}

function pathProblem(sample: string): string | undefined {
  if (!sample.startsWith('/')) return 'must begin with "/"'
  if (plainPathEnd(sample) === sample.length) return undefined
  return 'is a path that servers read differently; write single slashes, and no "?", "#", ";" and dot segments'
}

function prefixProblem(sample: string, key: string): string | undefined {
  if (!sample.isWellFormed()) return 'has half of a character'
  if (sample.length > 1 && sample.endsWith('/')) return 'must not end with "/"; it stands for whole segments'
  return sample === '/' ? `changes nothing; remove "${key}"` : pathProblem(encoded(sample))
}

/** Letters beyond ASCII are compared with the decoded path of a request. */
function encoded(text: string): string {
  return text.replace(/[^\x00-\x7f]+/g, encodeURIComponent)
}

/** Every path that the route matches has to have the prefix. */
function stripProblem(prefix: string, match: string | undefined): string | undefined {
  const start = match?.endsWith('/*') ? match.slice(0, -1) : (match ?? '')
  // A capture may stand for anything.
  const literal = start.includes('{') ? start.slice(0, start.indexOf('{')) : start
  if (stripped(literal, pathKey(prefix)) !== undefined) return undefined
  const has = match === undefined ? 'the route matches every path' : `"match.path" is ${JSON.stringify(match)}`
  return `${has}, so not every path begins with it; match ${JSON.stringify(`${prefix}/*`)}, or a path below it`
}

function checkQuery({ set, add, remove }: Values, match: string | undefined, report: Report): void {
  const removed = Array.isArray(remove) ? remove : []
  for (const [key, values] of Object.entries({ set, add })) {
    for (const [name, text] of Object.entries(asObject(values))) {
      if (name === '') report([key], 'a parameter needs a name')
      if (removed.includes(name)) report([key, name], 'is also in "remove"; "set" replaces what is there')
      if (typeof text === 'string') checkTemplate(text, 'query', match, (message) => report([key, name], message))
    }
  }
}

function hostProblem(host: string): string | undefined {
  if (host === 'client' || host === 'backend') return undefined
  const parsed = parseAuthority(host)
  if ('problem' in parsed) return `${JSON.stringify(host)} is not "client", "backend", or a host: ${parsed.problem}`
  if (host.includes('.') || host.includes(':')) return undefined
  return `${JSON.stringify(host)} is neither "client" nor "backend"; a name needs a dot or a port, as in "${host}:80"`
}

function checkHeaders(route: Values, report: Report): void {
  const match = asText(asObject(route.match).path)
  for (const [message, value] of Object.entries(asObject(route.headers))) {
    const at: Path = ['headers', message]
    if (message === 'request' && Object.hasOwn(route, 'reply')) {
      report(at, 'a route with "reply" sends nothing upstream; remove it')
      continue
    }
    const edits = asObject(value)
    const refuse = message === 'request' ? requestProblem : responseProblem
    for (const [index, name] of (Array.isArray(edits.remove) ? edits.remove : []).entries()) {
      const problem = typeof name === 'string' ? refuse(name) : undefined
      if (problem !== undefined) report([...at, 'remove', index], problem)
    }
    for (const key of ['set', 'append']) {
      const seen = new Map<string, string>()
      for (const [name, text] of Object.entries(asObject(edits[key]))) {
        const where: Path = [...at, key, name]
        const first = seen.get(name.toLowerCase())
        if (first !== undefined) report(where, `is the same header name as "${first}"; keep one`)
        seen.set(name.toLowerCase(), name)
        const problem =
          refuse(name) ?? (typeof text === 'string' && !isFieldText(text) ? 'has a control character' : undefined)
        if (problem !== undefined) report(where, problem)
        if (typeof text !== 'string') continue
        const template = checkTemplate(text, 'header', match, (message) => report(where, message))
        const late = ['status', 'outcome'].find((one) => message === 'request' && template?.names(one))
        if (late !== undefined) report(where, `{${late}} is known only in the response`)
      }
    }
  }
}

function requestProblem(name: string): string | undefined {
  const lower = name.toLowerCase()
  if (lower === 'host') return 'write it as "host" of "rewrite"'
  const isOwn = ownOfRequest.has(lower) || (isTreated(lower, FORWARDING) && lower !== 'x-real-ip')
  return isOwn ? 'the gateway itself sets this header; remove it' : responseProblem(name)
}

const ownOfRequest = new Set(['via', 'expect', 'x-request-id', 'client-cert', 'client-cert-chain'])

function responseProblem(name: string): string | undefined {
  if (!isToken(name)) return `${JSON.stringify(name)} is not a valid header name`
  const lower = name.toLowerCase()
  if (lower === 'x-request-id') return 'the gateway itself sets this header; remove it'
  return isTreated(lower, NO_PLUGIN)
    ? 'frames messages or belongs to one connection: only the gateway sets it'
    : undefined
}

function checkTemplate(
  text: string,
  place: Place,
  match: string | undefined,
  report: (message: string) => void,
): Template | undefined {
  const template = parseTemplate(text, place)
  if (!(template instanceof Template)) {
    report(`${JSON.stringify(text)} ${template.problem}`)
    return undefined
  }
  const known = capturesOf(match)
  for (const name of template.captures) {
    if (known.has(name)) continue
    const there = known.size === 0 ? 'has no captures' : `has only ${[...known.keys()].join(', ')}`
    const add = name === 'rest' ? 'end it with "/*"' : `write {${name}} for one of its segments`
    report(`has {capture:${name}}, and "match.path" of the route ${there}; ${add}`)
  }
  return template
}
