import { Ajv } from 'ajv'
import type { Format } from './formats.ts'
import { describeFaults, type SchemaFault, type Violation } from './violations.ts'

/** Checks data against a schema and fills its defaults in, in place. */
export type Validate = (data: unknown) => Violation[]

/**
 * @param formats the formats that the schema may use
 * @param strict refuses unknown keywords and formats; in a plugin's own schema they are ignored
 * @throws when the schema itself is wrong
 */
export function compileSchema(schema: object, formats: Readonly<Record<string, Format>>, strict: boolean): Validate {
  const ajv = new Ajv({ ...settings, strictSchema: strict, strictNumbers: true })
  for (const [name, { problem }] of Object.entries(formats)) {
    ajv.addFormat(name, { type: 'string', validate: (text) => problem(text) === undefined })
  }
  const validate = ajv.compile(schema)
  return (data) => (validate(data) ? [] : describeFaults((validate.errors ?? []) as SchemaFault[], data, formats))
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
