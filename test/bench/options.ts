import { parseArgs } from 'node:util'
import type { Effort } from './scenarios/scenario.ts'

export interface BenchOptions {
  readonly effort: Effort
  /** Scenarios to run. Default: all. */
  readonly only: readonly string[] | undefined
  /** Measure subjects whose names begin with one of these. Default: all. */
  readonly subjects: readonly string[] | undefined
  /** Another checkout of this repository, its packages installed, that is measured beside this one. */
  readonly before: string | undefined
  /** Files to write. */
  readonly json: string | undefined
  readonly svg: string | undefined
  /** Document whose part between the markers is replaced. */
  readonly readme: string | undefined
}

export const usage = `node test/bench/main.ts [options]
  --quick               a glance, under two minutes: one round, fewer subjects
  --only <a,b>          only these scenarios
  --subjects <a,b>      only subjects whose names begin so: nginx,postern
  --before <folder>     measure another checkout too, its packages installed, as postern before
  --rounds <n>          measurements of each subject (default: 5, quick: 1)
  --seconds <s>         length of each (default: 3, quick: 1)
  --json <file>         write the results
  --svg <file>          draw CPU per request
  --readme <file>       replace what stands between <!-- bench --> and <!-- /bench -->`

/** @throws {TypeError} for an option that is not there, or a number that is none. */
export function parseOptions(args: readonly string[]): BenchOptions & { readonly help: boolean } {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: flag,
      help: flag,
      only: text,
      subjects: text,
      before: text,
      rounds: text,
      seconds: text,
      json: text,
      svg: text,
      readme: text,
    },
  })
  const { quick, help, before, json, svg, readme } = values
  const seconds = positive('--seconds', values.seconds, quick ? 1 : 3)
  const rounds = Math.ceil(positive('--rounds', values.rounds, quick ? 1 : 5))
  return {
    help,
    effort: { quick, seconds, rounds, warmUpSeconds: Math.min(seconds * 3, 5) },
    only: values.only?.split(','),
    subjects: values.subjects?.split(','),
    before,
    json,
    svg,
    readme,
  }
}

function positive(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text)
  if (!(value > 0)) throw new TypeError(`${name}: a number above 0`)
  return value
}
