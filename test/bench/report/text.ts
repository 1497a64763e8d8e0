import type { Results } from '../results.ts'
import { cellsOf } from './cells.ts'

/** Aligned tables for a terminal. */
export function toText(results: Results): string {
  const { tables, comparisons } = results
  const parts = tables.map((table) => `${table.title}\n${aligned(cellsOf(table))}`)
  if (comparisons.length > 0) {
    const lines = comparisons.map(({ title, value, target, stretch }) => [
      title,
      value.toFixed(2),
      target === undefined ? '' : `≤ ${target}`,
      stretch === undefined ? '' : `≤ ${stretch}`,
      target === undefined ? '' : verdict(value, target, stretch),
    ])
    parts.push(`targets\n${aligned([['', 'now', 'target', 'stretch', ''], ...lines])}`)
  }
  return `${[...parts, about(results).join('\n')].join('\n\n')}\n`
}

function verdict(value: number, target: number, stretch = Number.NEGATIVE_INFINITY): string {
  if (value <= stretch) return 'stretch reached'
  return value <= target ? 'reached' : 'not yet'
}

/** Where the figures come from, a line each. */
export function about({ date, command, machine, versions, missing, notes }: Results): string[] {
  const { cpu, cores, kernel, memoryGiB, load } = machine
  const names = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return [
    `${date.slice(0, 10)}, \`${command}\``,
    `${cpu}, ${cores} cores, ${memoryGiB} GB, ${kernel}; load before the run ${load.toFixed(2)}`,
    names.join(', '),
    ...notes,
    ...(missing.length === 0 ? [] : [`missing: ${missing.join(', ')}`]),
  ]
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
