/** The declared `writes` of a policy, compiled so that each operation is one look-up. */
export interface Writes {
  header(name: string): boolean
  responseHeader(name: string): boolean
  readonly upstream: boolean
  readonly consumer: boolean
  readonly body: boolean
  readonly responseBody: boolean
}

/** @param writes normalised scopes */
export function compileWrites(writes: readonly string[]): Writes {
  const declared = new Set(writes)
  const header = new Set(namesOf('header:', writes))
  const responseHeader = new Set(namesOf('response.header:', writes))
  return {
    header: (name) => header.has(name) || header.has('*'),
    responseHeader: (name) => responseHeader.has(name) || responseHeader.has('*'),
    upstream: declared.has('upstream'),
    consumer: declared.has('consumer'),
    body: declared.has('body'),
    responseBody: declared.has('response.body'),
  }
}

/** The names in the scopes of a family, each once. */
export function namesOf(family: string, scopes: readonly string[]): readonly string[] {
  return [...new Set(scopes.filter((scope) => scope.startsWith(family)).map((scope) => scope.slice(family.length)))]
}
