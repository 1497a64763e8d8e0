import { Ajv } from 'ajv'
import type { WholeReferences } from '../config/references.ts'
import type { Format } from './formats.ts'
import { describeFaults, readPointer, type SchemaFault, type Violation } from './violations.ts'

/**
 * Checks data against a schema and fills its defaults in, in place.
 *
 * @param references values that a reference gave as text; where the schema wants a number, true or false, they become it.
 */
export type Validate = (data: unknown, references?: WholeReferences) => Violation[]

/**
 * @param formats the formats that the schema may use
 * @param strict of a published schema: refuses unknown keywords and formats; in a plugin's own schema they are ignored
 * @throws when a plugin's schema is no schema
 */
export function compileSchema(schema: object, formats: Readonly<Record<string, Format>>, strict: boolean): Validate {
  // The published schemas are known to be schemas; to check that would take a third of the time of a small check.
  const ajv = new Ajv({ ...settings, strictSchema: strict, strictNumbers: true, validateSchema: !strict })
  for (const [name, { problem }] of Object.entries(formats)) {
    ajv.addFormat(name, { type: 'string', validate: (text) => problem(text) === undefined })
  }
  const validate = ajv.compile(schema)
  return (data, references) => {
    if (validate(data)) return []
    const faults = (): SchemaFault[] => (validate.errors ?? []) as SchemaFault[]
    if (references !== undefined && convert(faults(), data, references) && validate(data)) return []
    return describeFaults(faults(), data, formats)
  }
}

/** Converts the texts whose type is wrong. Returns false when there was nothing to convert. */
function convert(faults: readonly SchemaFault[], data: unknown, references: WholeReferences): boolean {
  let converted = false
  for (const { keyword, params, instancePath } of faults) {
    if (keyword !== 'type' || instancePath === '') continue
    const path = readPointer(instancePath, data)
    const key = path.at(-1)!
    const holder = path.slice(0, -1).reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], data)
    const text = (holder as Record<string, unknown>)[key]
    if (typeof text !== 'string' || references.get(holder as object)?.has(key) !== true) continue
    const value = meantBy(text, [params.type].flat())
    if (value === undefined) continue
    ;(holder as Record<string, unknown>)[key] = value
    converted = true
  }
  return converted
}

/** The number, or true or false, that a text stands for when one of these types is wanted. */
function meantBy(text: string, types: readonly unknown[]): number | boolean | undefined {
  if (types.includes('boolean') && (text === 'true' || text === 'false')) return text === 'true'
  const isNumber = types.includes('number') || types.includes('integer')
  return isNumber && /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(text) ? Number(text) : undefined
}

const settings = {
  allErrors: true,
  useDefaults: true,
  // Faults carry the data that was checked.
  verbose: true,
  // `constructor` in a file is a key like any other.
  ownProperties: true,
  strict: false,
  logger: false,
} as const
