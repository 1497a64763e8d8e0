import { ownText } from '../own-text.ts'

/** One metric of one plugin, with all its series. */
export interface MetricFamily {
  readonly plugin: string
  readonly name: string
  readonly kind: 'counter' | 'histogram'
  readonly series: readonly MetricSeries[]
}

export interface MetricSeries {
  /** Sorted by name. */
  readonly labels: readonly (readonly [name: string, value: string])[]
  /** Sum of what was counted or observed. */
  readonly sum: number
  /** Number of values that were counted or observed. */
  readonly count: number
  /** Histograms: how many values were at most as large as the bound at the same index of `buckets`. */
  readonly cumulative: readonly number[]
}

/** Upper bounds of a histogram's buckets; the last one, infinity, is `count`. */
export const buckets: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

interface Series {
  readonly labels: [string, string][]
  sum: number
  count: number
  readonly cumulative: number[]
}

interface Family {
  readonly kind: MetricFamily['kind']
  readonly series: Map<string, Series>
}

/** Series of one plugin. */
const mostSeries = 100

/** The metrics of all plugins, with a limit for each plugin. */
export class MetricRegistry {
  readonly #plugins = new Map<string, { families: Map<string, Family>; series: number; dropped: number }>()

  /**
   * Records one value. Drops it when it needs a series beyond the limit, or when its name is already used for the other
   * kind.
   */
  record(
    plugin: string,
    kind: MetricFamily['kind'],
    name: string,
    value: number,
    labels: readonly (readonly [string, string])[],
  ): void {
    let own = this.#plugins.get(plugin)
    if (own === undefined) {
      own = { families: new Map(), series: 0, dropped: 0 }
      this.#plugins.set(plugin, own)
    }
    const family = own.families.get(name) ?? { kind, series: new Map<string, Series>() }
    const sorted = labels.map(([key, text]): [string, string] => [key, text]).sort(([a], [b]) => (a < b ? -1 : 1))
    const id = JSON.stringify(sorted)
    let series = family.series.get(id)
    if (family.kind !== kind || (series === undefined && own.series >= mostSeries)) {
      own.dropped++
      return
    }
    if (series === undefined) {
      const labels = sorted.map(([key, text]): [string, string] => [ownText(key), ownText(text)])
      series = { labels, sum: 0, count: 0, cumulative: kind === 'histogram' ? buckets.map(() => 0) : [] }
      family.series.set(id, series)
      if (!own.families.has(name)) own.families.set(ownText(name), family)
      own.series++
    }
    series.sum += value
    series.count++
    for (let i = series.cumulative.length - 1; i >= 0 && value <= buckets[i]!; i--) series.cumulative[i]!++
  }

  /** All metrics. Plugins with dropped values also have the counter `dropped_samples`. */
  families(): MetricFamily[] {
    const all: MetricFamily[] = []
    for (const [plugin, { families, dropped }] of this.#plugins) {
      for (const [name, { kind, series }] of families) all.push({ plugin, name, kind, series: [...series.values()] })
      const series = [{ labels: [], sum: dropped, count: dropped, cumulative: [] }]
      if (dropped > 0) all.push({ plugin, name: 'dropped_samples', kind: 'counter', series })
    }
    return all
  }
}
