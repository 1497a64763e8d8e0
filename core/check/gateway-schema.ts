import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../package-root.ts'
import { formats } from './formats.ts'
import { compileSchema, type Validate } from './validator.ts'

const compiled = new Map<string, Validate>()

/** A published schema, read from `sdk/schemas` of this package. */
export function readSchema(name: 'gateway' | 'policy'): Record<string, unknown> {
  return JSON.parse(readFileSync(join(packageRoot, 'sdk', 'schemas', `${name}.json`), 'utf8')) as Record<
    string,
    unknown
  >
}

/** The check against a published schema; compiled once, because a gateway may reload often. */
export function publishedSchema(name: 'gateway' | 'policy'): Validate {
  let validate = compiled.get(name)
  if (validate === undefined) {
    validate = compileSchema(readSchema(name), formats, true)
    compiled.set(name, validate)
  }
  return validate
}
