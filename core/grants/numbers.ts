import { GrantError } from './grant-error.ts'

/**
 * An argument that must be a whole number from `least` to `most`.
 *
 * @throws {GrantError} when it is not; names the argument.
 */
export function wholeNumber(name: string, text: string | undefined, least: number, most?: number): number {
  const value = Number(text)
  if (text !== '' && Number.isSafeInteger(value) && value >= least && (most === undefined || value <= most))
    return value
  const range = most === undefined ? `, ${least} or more,` : ` from ${least} to ${most},`
  throw new GrantError(`${name} must be a whole number${range} not ${text}`)
}

/**
 * An argument in seconds that must be more than 0 and at most `most`.
 *
 * @throws {GrantError} when it is not; names the argument.
 */
export function seconds(name: string, text: string | undefined, most: number): number {
  const value = Number(text)
  if (value > 0 && value <= most) return value
  throw new GrantError(`${name} must be more than 0 and at most ${most} seconds, not ${text}`)
}
