/** This process among those that serve for the host together. */
let self = { index: 0, of: 1 }

/** Says which of the workers of the host this process is: `index` of `of`, from 0. Default: the only one. */
export function shareHost(index: number, of: number): void {
  self = { index, of }
}

/** The part of a limit for the host that this process may use: all parts are the limit, but each is at least 1. */
export function shareOf(limit: number): number {
  const { index, of } = self
  return Math.max(1, Math.floor(limit / of) + (index < limit % of ? 1 : 0))
}
