import { createHash } from 'node:crypto'

/** Identifies the certificate for these names from this CA: for another set of either, another one is ordered. */
export function acmeId(directory: string, names: readonly string[]): string {
  return createHash('sha256')
    .update(JSON.stringify([directory, names.toSorted()]))
    .digest('hex')
    .slice(0, 12)
}
