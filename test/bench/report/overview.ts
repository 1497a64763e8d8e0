import type { Results, Row, Table } from '../results.ts'

/** Columns, and the subjects that stand in them: a program has another name where it does something else. */
const programs: readonly { readonly title: string; readonly subject: RegExp }[] = [
  { title: 'nginx', subject: /^nginx( stream)?$/ },
  { title: 'HAProxy', subject: /^haproxy( tcp)?$/ },
  { title: 'Caddy', subject: /^caddy$/ },
  { title: '@fastify/http-proxy', subject: /^@fastify/ },
  { title: '**Postern**', subject: /^postern( tcp)?$/ },
  { title: 'nginx+Lua, like 3 plugins', subject: /^nginx\+lua$/ },
  { title: '**Postern, 3 plugins**', subject: /^postern \+3 plugins$/ },
]

/** Those that are about what a request, a message or a connection costs. */
const scenarios = ['small', '100k', '10m', 'connect', 'websocket', 'tcp', 'idle']

/** The main scenarios at their highest concurrency, a line each: the figure of nginx, and the others as multiples of it. */
export function overviewOf({ tables }: Results): string[][] {
  const chosen = scenarios.flatMap((name) => highest(tables.filter(({ scenario }) => scenario === name)) ?? [])
  const cells = chosen.map(({ title, columns, rows }) => {
    const lead = columns[0]!
    const cellOf = (row: Row | undefined, isBase: boolean): string => {
      const figure = row?.figures[lead.key]
      if (row === undefined || figure === undefined || !Number.isFinite(figure)) return ''
      // Without nginx there is nothing to be a multiple of.
      return isBase || row.ratio === undefined ? figure.toFixed(lead.digits) : `${row.ratio.toFixed(2)}×`
    }
    const found = programs.map(({ subject }) => rows.find((row) => subject.test(row.subject)))
    return [`${title}: ${lead.title}`, ...found.map((row, index) => cellOf(row, index === 0))]
  })
  // A program that was not measured gets no column.
  const shown = ['', ...programs.map(({ title }) => title)].flatMap((title, column) =>
    column === 0 || cells.some((row) => row[column] !== '') ? [{ title, column }] : [],
  )
  return [shown.map(({ title }) => title), ...cells.map((row) => shown.map(({ column }) => row[column]!))]
}

function highest(tables: readonly Table[]): Table | undefined {
  return tables.toSorted((a, b) => (b.connections ?? 0) - (a.connections ?? 0))[0]
}
