/** Longest path in the record of a request whose target was refused. */
const longest = 256

/** What the record of a refused request shows of its target: no query and no user information, which may be secret. */
export function refusedPath(target: string): string {
  const path = target.split('?', 1)[0]!
  return path.replace(/^(\w+:\/\/)[^/]*@/, '$1').slice(0, longest)
}
