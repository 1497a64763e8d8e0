import type { Comparison, Row, Table } from './results.ts'

interface Wanted {
  readonly title: string
  readonly target: number
  /** `NaN` when a row that it needs was not measured. */
  value(figure: (scenario: string, subject: string, key: string) => number): number
}

const cpu = 'cpu'

const wanted: readonly Wanted[] = [
  {
    title: 'pass-through / nginx, CPU per request',
    target: 1.5,
    value: (figure) => figure('small', 'postern', cpu) / figure('small', 'nginx', cpu),
  },
  {
    title: '3 plugins / nginx+lua doing the same, CPU per request',
    target: 1.4,
    value: (figure) => figure('small', 'postern +3 plugins', cpu) / figure('small', 'nginx+lua', cpu),
  },
  {
    title: '3 plugins − 1 plugin, CPU µs per request for each of the two',
    target: 1,
    value: (figure) => (figure('small', 'postern +3 plugins', cpu) - figure('small', 'postern +1 plugin', cpu)) / 2,
  },
  {
    title: '3 plugins / caddy passing through, CPU per request',
    target: 0.33,
    value: (figure) => figure('small', 'postern +3 plugins', cpu) / figure('small', 'caddy', cpu),
  },
  {
    title: '3 plugins / @fastify/http-proxy passing through, CPU per request',
    target: 0.33,
    value: (figure) => figure('small', 'postern +3 plugins', cpu) / figure('small', '@fastify/http-proxy', cpu),
  },
  {
    title: 'TCP relay / haproxy, CPU per request',
    target: 1.4,
    value: (figure) => figure('tcp', 'postern tcp', cpu) / figure('tcp', 'haproxy tcp', cpu),
  },
  {
    title: '10 MB bodies / nginx, CPU per GB',
    target: 1,
    value: (figure) => figure('10m', 'postern', cpu) / figure('10m', 'nginx', cpu),
  },
  {
    title: 'idle connection, KB',
    target: 8,
    value: (figure) => figure('idle', 'postern', 'perConnection'),
  },
  {
    title: 'p99 while reloading 10,000 routes and 1,000 upstreams / p99 before',
    target: 2,
    value: (figure) => figure('reload', 'while reloading', 'p99') / figure('reload', 'before', 'p99'),
  },
  {
    title: '10,000 routes / 10, CPU per request',
    target: 1.05,
    value: (figure) => figure('routes', 'postern 10k routes', cpu) / figure('routes', 'postern 10 routes', cpu),
  },
]

/** The comparisons that the project has set itself targets for, as far as their rows were measured. */
export function compare(tables: readonly Table[]): Comparison[] {
  const figure = (scenario: string, subject: string, key: string): number =>
    rowAtMost(tables, scenario, subject)?.figures[key] ?? Number.NaN
  return wanted
    .map(({ title, target, value }) => ({ title, target, value: value(figure) }))
    .filter(({ value }) => !Number.isNaN(value))
}

/** A row of the scenario's table with the most connections: under load a gateway shows what it costs. */
function rowAtMost(tables: readonly Table[], scenario: string, subject: string): Row | undefined {
  const own = tables.filter((table) => table.scenario === scenario)
  const most = Math.max(...own.map(({ connections = 0 }) => connections))
  const table = own.find(({ connections = 0 }) => connections === most)
  return table?.rows.find((row) => row.subject === subject)
}
