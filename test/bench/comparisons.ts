import type { Comparison, Row, Table } from './results.ts'

interface Wanted {
  readonly title: string
  readonly target?: number
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
    title: 'each of 2 more plugins that write a header (5 plugins − 3), CPU µs per request',
    target: 1,
    value: (figure) => (figure('small', 'postern +5 plugins', cpu) - figure('small', 'postern +3 plugins', cpu)) / 2,
  },
  {
    title: 'rate-limit and header-route together (3 plugins − 1), CPU µs per request',
    value: (figure) => figure('small', 'postern +3 plugins', cpu) - figure('small', 'postern +1 plugin', cpu),
  },
  {
    title: 'access log, CPU µs per request',
    value: (figure) => figure('defaults', 'postern', cpu) - figure('defaults', 'postern no-log', cpu),
  },
  {
    title: 'health checks, CPU µs per request',
    value: (figure) => figure('defaults', 'postern', cpu) - figure('defaults', 'postern no health checks', cpu),
  },
  {
    title: '3 plugins with 2 workers / with 1, requests/s',
    value: (figure) =>
      figure('workers', 'postern +3 plugins ×2 workers', 'rate') / figure('workers', 'postern +3 plugins', 'rate'),
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
    title: 'WebSocket echo / nginx, CPU per message',
    value: (figure) => figure('websocket', 'postern', cpu) / figure('websocket', 'nginx', cpu),
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
    title: 'p99 while 10,000 routes and 1,000 upstreams change / p99 before',
    target: 2,
    value: (figure) => figure('reload', 'while all of it changes', 'p99') / figure('reload', 'before', 'p99'),
  },
  {
    title: '10,000 routes / 10, CPU per request',
    target: 1.05,
    value: (figure) => figure('routes', 'postern 10k routes', cpu) / figure('routes', 'postern 10 routes', cpu),
  },
]

/** What the project has set itself targets for, and what else is worth a line, as far as the rows were measured. */
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
