import { partOf } from './part-of.ts'
import type { Sample } from './samples.ts'

/** What a part of the program costs by itself, without what it calls in other parts. Shares are of all, 0 to 1. */
export interface SelfCost {
  readonly part: string
  readonly share: number
  /** Its functions, the largest first. */
  readonly functions: readonly (readonly [name: string, share: number])[]
}

/** Where the time went, the largest part first. `main` is the thread that has the event loop. */
export function selfCosts(samples: readonly Sample[], main: number): SelfCost[] {
  const parts = Map.groupBy(samples, ({ thread, stack }) => partOf(stack, thread === main))
  return [...parts]
    .map(([part, all]) => ({ part, share: all.length / samples.length, functions: countNames(all) }))
    .sort(byShare)

  function countNames(some: readonly Sample[]): [name: string, share: number][] {
    return [...Map.groupBy(some, ({ stack }) => nameOf(stack[0] ?? ''))]
      .map(([name, all]): [string, number] => [name, all.length / samples.length])
      .sort(([, a], [, b]) => b - a)
  }
}

function byShare(a: SelfCost, b: SelfCost): number {
  return b.share - a.share
}

/** `JS:*name file:///…:1:2` → `name`; what is compiled from C without its types, and without what the compiler added. */
function nameOf(frame: string): string {
  if (frame.startsWith('JS:')) return /^JS:\W*(\S+) /.exec(frame)?.[1] ?? '(anonymous)'
  const plain = frame
    .replace(/(\.(isra|constprop|part|cold|llvm))[.\d]*/g, '')
    .replaceAll('(anonymous namespace)::', '')
    .replace(/[<(].*$/, '')
  return plain.split('::').slice(-2).join('::')
}
