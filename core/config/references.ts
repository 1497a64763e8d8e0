import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Path } from './problem.ts'
import type { Problems } from './problems.ts'
import type { Secrets } from './secrets.ts'
import { displayName, reasonOf, type Source } from './source.ts'
import { didYouMean } from './suggest.ts'
import { setOwn } from './untyped.ts'

/** What references are resolved with. */
export interface ReferenceContext {
  readonly env: NodeJS.ProcessEnv
  /** Folder that `${file:…}` is relative to: the configuration's, also for policy files. */
  readonly folder: string
  readonly secrets: Secrets
  readonly problems: Problems
  /** Every file that was read, absolute. */
  readonly files: Set<string>
  /** Whether a variable or file that is missing is a problem. If not, the text of its reference stands for it. */
  readonly mustExist: boolean
  /** Filled in here: what may become a number. */
  readonly whole: Map<object, Set<string | number>>
}

/** `$${` is the text `${`; any other `${` begins a reference, or is a mistake. */
const reference = /\$\$\{|\$\{(?:([A-Za-z]+):)?([^}]*)(\}|$)/g

/** Lists and objects, each with its members that were one reference and nothing else. */
export type WholeReferences = ReadonlyMap<object, ReadonlySet<string | number>>

/** A secret is a line or a certificate. */
const largestFile = 1024 * 1024

/** A copy of a source's data with `${env:NAME}` and `${file:path}` replaced; also in keys below `options` of policies. */
export function resolveReferences(
  source: Source,
  context: ReferenceContext,
  isOptions: (path: Path) => boolean,
): unknown {
  const visit = (value: unknown, path: Path, options: Path | undefined): unknown => {
    if (typeof value === 'string') return expand(value, path, options)
    if (Array.isArray(value)) {
      const list = value.map((item, index) => visit(item, [...path, index], options))
      for (const [index, item] of value.entries()) note(list, index, item)
      return list
    }
    if (typeof value !== 'object' || value === null) return value
    const inside = options ?? (isOptions(path) ? path : undefined)
    const copy: Record<string, unknown> = {}
    for (const [key, item] of Object.entries(value)) {
      const at = [...path, key]
      const name = inside === undefined ? key : expand(key, at, inside)
      if (Object.hasOwn(copy, name))
        context.problems.add(source, at, 'is the same key as another one here after references are resolved')
      setOwn(copy, name, visit(item, at, inside))
      note(copy, name, item)
    }
    return copy
  }

  const note = (holder: object, key: string | number, written: unknown): void => {
    if (typeof written !== 'string' || !/^\$\{[^}]*\}$/.test(written)) return
    const keys = context.whole.get(holder)
    if (keys === undefined) context.whole.set(holder, new Set([key]))
    else keys.add(key)
  }

  const expand = (text: string, path: Path, options: Path | undefined): string => {
    if (!text.includes('${')) return text
    return text.replace(reference, (whole: string, kind: string | undefined, name: string, end: string) => {
      if (whole === '$${') return '${'
      const found = end === '' ? unclosed(whole, kind) : lookUp(kind, name, context)
      if ('value' in found) {
        context.secrets.add(found.value, whole)
        return found.value
      }
      if (found.isMissing === true && !context.mustExist) context.problems.standIn(source, path, whole, options)
      else context.problems.add(source, path, found.problem)
      return whole
    })
  }

  return visit(source.value, [], undefined)
}

function unclosed(whole: string, kind: string | undefined): Found {
  if (kind !== undefined) return { problem: `"${whole}" is not closed; write "\${${kind}:…}"` }
  return { problem: `"\${" begins a reference, which is not closed; ${literal}` }
}

const literal = 'write "$${" for a literal "${"'

export type Found = { readonly value: string } | { readonly problem: string; readonly isMissing?: boolean }

function lookUp(kind: string | undefined, name: string, context: ReferenceContext): Found {
  if (kind === 'env') {
    const value = Object.hasOwn(context.env, name) ? context.env[name] : undefined
    if (value === undefined) return { problem: `the environment variable "${name}" is not set`, isMissing: true }
    return value === '' ? { problem: `the environment variable "${name}" is empty` } : { value }
  }
  if (kind === 'file') return readReferenced(name, context)
  if (kind === undefined) {
    const isVariable = /^[A-Za-z_]\w*$/.test(name)
    const hint = isVariable ? `did you mean "\${env:${name}}"?` : `references are "\${env:NAME}" and "\${file:path}";`
    return { problem: `"\${${name}}" is not a reference; ${hint} ${literal}` }
  }
  const near = didYouMean(kind, ['env', 'file'])
  return { problem: `unknown reference "\${${kind}:…}"${near}; ${literal}` }
}

/**
 * Text of a file that the configuration names, relative to its folder; without the line break at its end.
 *
 * @param isText false: one character for each byte, all of them. Default: true.
 */
export function readReferenced(name: string, { folder, files }: ReferenceContext, isText: boolean = true): Found {
  const file = resolve(folder, name)
  const shown = displayName(file)
  files.add(file)
  try {
    const facts = statSync(file)
    if (!facts.isFile()) return { problem: `"${shown}" is not a regular file` }
    if (facts.size > largestFile) return { problem: `"${shown}" is larger than 1 MB, the limit for a reference` }
    const value = isText ? readFileSync(file, 'utf8').replace(/\r?\n$/, '') : readFileSync(file, 'latin1')
    return value === '' ? { problem: `the file "${shown}" is empty` } : { value }
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    return { problem: `"${shown}": ${reasonOf(error)}`, isMissing }
  }
}
