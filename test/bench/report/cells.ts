import type { Row, Table } from '../results.ts'

/** A table as text: the head, then a line for each row. */
export function cellsOf({ columns, rows }: Table): string[][] {
  const withErrors = rows.some(({ errors }) => errors > 0)
  const lead = columns[0]!
  const head = [
    '',
    lead.title,
    '× nginx',
    ...columns.slice(1).map(({ title }) => title),
    ...(withErrors ? ['errors'] : []),
  ]
  const body = rows.map((row) => [
    row.subject,
    figure(row, lead.key, lead.digits),
    row.ratio === undefined ? '—' : row.ratio.toFixed(2),
    ...columns.slice(1).map(({ key, digits }) => figure(row, key, digits)),
    ...(withErrors ? [`${row.errors}`] : []),
  ])
  return [head, ...body]
}

function figure({ figures }: Row, key: string, digits: number): string {
  const value = figures[key]
  if (value === undefined || !Number.isFinite(value)) return '—'
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}
