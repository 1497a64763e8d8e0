/** Fields that no table keeps, here or behind the other side: their values are secrets (RFC 7541 §7.1.3). */
const secret = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key'])

/** Names of other fields that a peer has marked as such in a header list, and that stay so on their way (RFC 7541 §6.2.3). */
const marks = new WeakMap<readonly string[], ReadonlySet<string>>()
/** Hardly any peer marks other fields, and then nothing is looked up. */
let isUsed = false

export function isSecret(name: string): boolean {
  return secret.has(name)
}

export function markedIn(list: readonly string[]): ReadonlySet<string> | undefined {
  return isUsed ? marks.get(list) : undefined
}

/** @param names `undefined`: none is marked */
export function mark(list: readonly string[], names: ReadonlySet<string> | undefined): void {
  if (names === undefined) return
  isUsed = true
  marks.set(list, names)
}
