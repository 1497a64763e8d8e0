/**
 * Data as plugins receive it: deeply frozen, with objects that have no prototype, so that `options.keys[name]` does not
 * find an inherited `constructor`.
 *
 * @param value fresh from `JSON.parse`.
 */
export function harden(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return Object.freeze(value.map(harden))
  const bare: Record<string, unknown> = Object.create(null)
  for (const key of Object.keys(value)) bare[key] = harden((value as Record<string, unknown>)[key])
  return Object.freeze(bare)
}
