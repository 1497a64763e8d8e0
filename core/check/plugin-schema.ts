import { asObject } from '../config/untyped.ts'
import type { Format } from './formats.ts'
import { TooSlow, withinTime } from './time-limit.ts'
import { compileSchema, type Validate } from './validator.ts'

/** Levels of a schema of options, and references in it. */
const deepest = 64
const mostReferences = 200

/** Time for compiling a schema, and for checking the options of one policy, ms. A schema may ask for any amount of work. */
const compiling = 5_000
const checking = 1_000

/**
 * Compiles the options schema of a plugin. It is the plugin author's text: a pattern or a combination of schemas may
 * take for ever.
 *
 * @throws when the schema is wrong, or cannot be used.
 */
export function compilePluginSchema(schema: object, formats: Readonly<Record<string, Format>>): Validate {
  checkParts(schema)
  const validate = within(compiling, 'compiling the schema of its options', () => compileSchema(schema, formats, false))
  return (data, references) =>
    within(checking, 'checking options with the schema of the plugin', () => validate(data, references))
}

function within<T>(limit: number, activity: string, run: () => T): T {
  try {
    return withinTime(limit, run)
  } catch (error) {
    if (error instanceof RangeError) throw new Error(`${activity} takes too many levels`, { cause: error })
    if (!(error instanceof TooSlow)) throw error
    throw new Error(`${activity} ${error.message}; it has a pattern or a combination of schemas that is too complex`, {
      cause: error,
    })
  }
}

/** Refuses what makes a schema more than a description of data. */
function checkParts(schema: object): void {
  let references = 0
  const visit = (value: unknown, depth: number): void => {
    if (typeof value !== 'object' || value === null) return
    if (depth > deepest) throw new Error(`the schema of its options has more than ${deepest} levels`)
    const { $async, $ref } = asObject(value)
    if ($async !== undefined) throw new Error('the schema of its options has "$async", which is not possible here')
    if (typeof $ref === 'string') {
      if (!$ref.startsWith('#')) {
        throw new Error(`the schema of its options refers to ${JSON.stringify($ref)}; "$ref" must begin with "#"`)
      }
      if (++references > mostReferences)
        throw new Error(`the schema of its options has more than ${mostReferences} "$ref"`)
    }
    for (const part of Object.values(value)) visit(part, depth + 1)
  }
  visit(schema, 0)
}
