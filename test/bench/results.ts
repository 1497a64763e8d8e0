/** Everything that a run has found: what `--json` writes. */
export interface Results {
  /** ISO 8601. */
  readonly date: string
  readonly command: string
  readonly machine: Machine
  /** Program → version. */
  readonly versions: Readonly<Record<string, string>>
  /** Subjects that could not be measured, each with what to install. */
  readonly missing: readonly string[]
  readonly notes: readonly string[]
  readonly tables: readonly Table[]
  readonly comparisons: readonly Comparison[]
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly kernel: string
  readonly memoryGiB: number
  /** Processes that wanted to run when the bench began, mean of a minute: far from 0, the figures are of a busy machine. */
  readonly load: number
}

/** One scenario at one setting. */
export interface Table {
  readonly scenario: string
  readonly title: string
  /** Connections at a time, where the scenario is about that. */
  readonly connections?: number
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
}

export interface Column {
  /** Key in `Row.figures`. */
  readonly key: string
  readonly title: string
  /** Digits behind the point. */
  readonly digits: number
}

export interface Row {
  readonly subject: string
  readonly figures: Readonly<Record<string, number>>
  /** The first column's figure over that of the first row that is an nginx; `undefined` without one. */
  readonly ratio: number | undefined
  /** Failed connections and answers other than 200. Any: the figures of the row are in doubt. */
  readonly errors: number
}

/** What figures of several rows make together, beside what the project aims at. */
export interface Comparison {
  readonly title: string
  readonly value: number
  /** `value` is to be no more than this; `undefined`: the project has set itself no target. */
  readonly target: number | undefined
  /** What would be better still; `undefined`: nothing is said of that. */
  readonly stretch: number | undefined
}

/** Rows with their ratios: to the first row named `nginx…`, by the figure `lead`. */
export function withRatios(lead: string, rows: readonly Omit<Row, 'ratio'>[]): Row[] {
  const base = rows.find(({ subject }) => subject.startsWith('nginx'))?.figures[lead]
  return rows.map((row) => {
    const figure = row.figures[lead]
    return { ...row, ratio: base === undefined || !(base > 0) || figure === undefined ? undefined : figure / base }
  })
}
