/** An argument that must be a string: anything else would cross as text that nobody meant. */
export function text(what: string, value: unknown): string {
  if (typeof value !== 'string')
    throw new TypeError(`${what} must be a string, not ${value === null ? 'null' : typeof value}`)
  return value
}
