/** Checks an argument that must be a string; any other value would cross as unintended text. */
export function text(what: string, value: unknown): string {
  if (typeof value !== 'string')
    throw new TypeError(`${what} must be a string, not ${value === null ? 'null' : typeof value}`)
  return value
}
