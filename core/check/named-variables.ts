import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const reference = /\$\{env:([^}]*)\}/g

/** Names of the variables that a configuration, and the policy files beside it, refer to with `${env:NAME}`. */
export function namedVariables(file: string): ReadonlySet<string> {
  const names = new Set<string>()
  const visit = (value: unknown): void => {
    if (typeof value === 'string') for (const [, name] of value.matchAll(reference)) names.add(name!)
    if (typeof value !== 'object' || value === null) return
    for (const [key, part] of Object.entries(value)) {
      visit(key)
      visit(part)
    }
  }
  for (const path of [resolve(file), ...policyFiles(join(dirname(resolve(file)), 'policies'))]) visit(read(path))
  return names
}

function policyFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => join(folder, name))
  } catch {
    return []
  }
}

/** What is wrong with a file is for the check to say, which also passes over the byte order mark that editors write. */
function read(path: string): unknown {
  try {
    return statSync(path).isFile() ? JSON.parse(readFileSync(path, 'utf8').replace(/^\ufeff/, '')) : undefined
  } catch {
    return undefined
  }
}
