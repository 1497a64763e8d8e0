import type { Path } from '../config/problem.ts'
import { didYouMean, suggest } from '../config/suggest.ts'
import type { Format } from './formats.ts'

/** One fault that the schema validator found: the part of ajv's error object that messages are made from. */
export interface SchemaFault {
  readonly keyword: string
  readonly instancePath: string
  readonly schemaPath: string
  readonly params: Readonly<Record<string, unknown>>
  readonly propertyName?: string
  readonly message?: string
  /** The keyword's value, the schema that contains it, and the data that was checked. */
  readonly schema?: unknown
  readonly parentSchema?: Readonly<Record<string, unknown>>
  readonly data?: unknown
}

export interface Violation {
  readonly path: Path
  readonly message: string
}

/** Turns the faults of one validation into messages: one per mistake. */
export function describeFaults(
  faults: readonly SchemaFault[],
  root: unknown,
  formats: Readonly<Record<string, Format>>,
): Violation[] {
  const wholes = faults.filter(({ keyword }) => keyword === 'anyOf' || keyword === 'oneOf')
  const unknown = Map.groupBy(
    faults.filter(({ keyword }) => keyword === 'additionalProperties'),
    ({ instancePath }) => instancePath,
  )
  const misspelt = new Set(faults.filter(({ keyword }) => keyword === 'format').map(({ instancePath }) => instancePath))
  const shown = faults.filter((fault) => !isEcho(fault, wholes, unknown.get(fault.instancePath) ?? [], misspelt))
  return shown.map((fault) => {
    const at = readPointer(fault.instancePath, root)
    return { path: [...at, ...below(fault)], message: messageOf(fault, formats) }
  })
}

/** True for a fault that only repeats, for a part, what another fault says about the whole. */
function isEcho(
  fault: SchemaFault,
  wholes: readonly SchemaFault[],
  unknown: readonly SchemaFault[],
  formats: ReadonlySet<string>,
): boolean {
  if (fault.propertyName !== undefined || fault.keyword === 'if') return true
  // Beside a format, a pattern is for editors, which do not know the format. The format says more.
  if (fault.keyword === 'pattern') return formats.has(fault.instancePath)
  if (fault.keyword === 'required') {
    // A misspelt field is reported once: as unknown, not also as missing.
    const { missingProperty } = fault.params
    return unknown.some((one) => suggest(text(one.params.additionalProperty), knownFields(one)) === missingProperty)
  }
  return wholes.some(
    (whole) =>
      whole !== fault &&
      fault.instancePath.startsWith(whole.instancePath) &&
      fault.schemaPath.startsWith(`${whole.schemaPath}/`),
  )
}

/** The field that is missing, unknown or badly named; ajv's pointer ends at the object. */
function below({ keyword, params }: SchemaFault): Path {
  if (keyword === 'required') return [text(params.missingProperty)]
  if (keyword === 'additionalProperties') return [text(params.additionalProperty)]
  return keyword === 'propertyNames' ? [text(params.propertyName)] : []
}

function messageOf(fault: SchemaFault, formats: Readonly<Record<string, Format>>): string {
  const { keyword, params, data, parentSchema = {} } = fault
  const limit = params.limit as number
  switch (keyword) {
    case 'additionalProperties': {
      const name = text(params.additionalProperty)
      return `there is no field "${name}" here${didYouMean(name, knownFields(fault))}`
    }
    case 'required':
      return `is missing${purposeOf(parentSchema, text(params.missingProperty))}`
    case 'type':
      return `must be ${own(formats, parentSchema.format)?.expected ?? typeNames(params.type)}, not ${describe(data)}${inline(fault)}`
    case 'enum': {
      const allowed = params.allowedValues as unknown[]
      const near =
        typeof data === 'string'
          ? suggest(
              data,
              allowed.filter((v) => typeof v === 'string'),
            )
          : undefined
      const hint = near === undefined ? '' : `; did you mean "${near}"?`
      return `must be one of ${allowed.map((value) => JSON.stringify(value)).join(', ')}, not ${describe(data)}${hint}`
    }
    case 'const':
      return `must be ${JSON.stringify(params.allowedValue)}, not ${describe(data)}`
    case 'format':
      return own(formats, params.format)?.problem(text(data)) ?? `must be ${text(params.format)}, not ${describe(data)}`
    case 'pattern':
      return `${describe(data)} does not match ${text(params.pattern)}`
    case 'propertyNames': {
      const { format, pattern } = fault.schema as { format?: string; pattern?: string }
      const name = text(params.propertyName)
      return own(formats, format)?.problem(name) ?? `the name does not match the required form ${pattern ?? ''}`
    }
    case 'minimum':
      return `must be at least ${limit}, not ${describe(data)}`
    case 'maximum':
      return `must be at most ${limit}, not ${describe(data)}`
    case 'exclusiveMinimum':
      return `must be more than ${limit}, not ${describe(data)}`
    case 'exclusiveMaximum':
      return `must be less than ${limit}, not ${describe(data)}`
    case 'minLength':
      return limit === 1 ? 'must not be empty' : `must have at least ${limit} characters`
    case 'maxLength':
      return `must have at most ${limit} characters`
    case 'minItems':
    case 'minProperties':
      return limit === 1 ? 'must not be empty' : `must have at least ${limit} entries`
    case 'maxItems':
    case 'maxProperties':
      return `must have at most ${limit} entries`
    case 'uniqueItems':
      return `entries ${[params.i, params.j].sort().join(' and ')} are the same; keep one`
    case 'not':
      return `must not be ${describe(data)}; leave it out for the default`
    case 'anyOf':
    case 'oneOf':
      return `${describe(data)} does not have an allowed form`
    default:
      return fault.message ?? `violates the schema keyword "${keyword}"`
  }
}

/** What to do with a policy that is written where it should be named. */
function inline({ instancePath, data }: SchemaFault): string {
  const isPolicy = /\/policies\/\d+$/.test(instancePath) && typeof data === 'object' && data !== null
  return isPolicy ? '; write the policy under "policies" at the top, and its name here' : ''
}

function knownFields({ parentSchema }: SchemaFault): string[] {
  return Object.keys((parentSchema?.properties as object | undefined) ?? {})
}

/** The first sentence of a field's description, to save the reader a look into the manual. */
function purposeOf(schema: Readonly<Record<string, unknown>>, name: string): string {
  const properties = schema.properties as Record<string, { description?: string }> | undefined
  const description =
    properties !== undefined && Object.hasOwn(properties, name) ? properties[name]?.description : undefined
  if (description === undefined) return ''
  const sentence = /^.*?(?=[.;:](\s|$)|$)/.exec(description)?.[0] ?? ''
  return `: ${sentence.slice(0, 100)}`
}

function own<T>(table: Readonly<Record<string, T>>, name: unknown): T | undefined {
  return typeof name === 'string' && Object.hasOwn(table, name) ? table[name] : undefined
}

const types: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
  null: 'null',
}

function typeNames(type: unknown): string {
  return [type]
    .flat()
    .map((name) => types[text(name)] ?? text(name))
    .join(' or ')
}

/** A value as messages show it. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value === 'number') return `the number ${value}`
  // The whole text or none of it: the redactor would not recognise part of a secret.
  return typeof value === 'string' && value.length > 80 ? `a text of ${value.length} characters` : JSON.stringify(value)
}

/** A JSON pointer as a path; only the data tells whether a part is an index. */
export function readPointer(pointer: string, root: unknown): Path {
  const path: (string | number)[] = []
  let value = root
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
    path.push(Array.isArray(value) ? Number(key) : key)
    value = (value as Record<string, unknown> | undefined)?.[key]
  }
  return path
}

function text(value: unknown): string {
  return String(value)
}
