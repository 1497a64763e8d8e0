import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Path } from '../config/problem.ts'
import { type ReferenceContext, resolveReferences } from '../config/references.ts'
import { readSource, type Source } from '../config/source.ts'
import { didYouMean } from '../config/suggest.ts'
import { asObject } from '../config/untyped.ts'
import type { Attachment } from './attachments.ts'
import type { Draft } from './draft.ts'
import { formats } from './formats.ts'
import type { Validate } from './validator.ts'

/** A policy as found, not checked yet. */
export interface PolicyDraft {
  readonly name: string
  /** The file that contains it, and the path in the file. */
  readonly source: Source
  readonly path: Path
  readonly data: Readonly<Record<string, unknown>>
}

/** Every inline policy, and every policy file that is attached somewhere. */
export function findPolicies(
  { source, data, problems }: Draft,
  attachments: readonly Attachment[],
  context: ReferenceContext,
  validate: Validate,
): ReadonlyMap<string, PolicyDraft> {
  const policies = new Map<string, PolicyDraft>()
  const folder = join(context.folder, 'policies')
  for (const [name, value] of Object.entries(asObject(data.policies))) {
    policies.set(name, { name, source, path: ['policies', name], data: asObject(value) })
    if (fileOf(folder, name) === undefined) continue
    problems.add(source, ['policies', name], `is also defined in policies/${name}.json; keep only one of the two`)
  }
  for (const { policy: name, path } of attachments) {
    if (policies.has(name)) continue
    const file = fileOf(folder, name)
    if (file === undefined) {
      const near = didYouMean(name, new Set([...policies.keys(), ...fileNames(folder)]))
      problems.add(source, path, `there is no policy "${name}"${near}`)
      continue
    }
    context.files.add(file)
    const own = readSource(file, problems, 'the file does not exist')
    const resolved = resolveReferences(own, context, ([field, ...below]) => field === 'options' && below.length === 0)
    if (own.value !== undefined) {
      for (const { path, message } of validate(resolved, context.whole)) problems.add(own, path, message)
    }
    policies.set(name, { name, source: own, path: [], data: asObject(resolved) })
  }
  return policies
}

/** The name comes from the configuration and must not lead out of the folder. */
function fileOf(folder: string, name: string): string | undefined {
  const file = join(folder, `${name}.json`)
  return formats.name!.problem(name) === undefined && existsSync(file) ? file : undefined
}

function fileNames(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
}
