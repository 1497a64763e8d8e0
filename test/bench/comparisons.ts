import type { Comparison, Row, Table } from './results.ts'

interface Wanted {
  readonly title: string
  readonly target?: number
  readonly stretch?: number
  /** `NaN` when a row that it needs was not measured. */
  value(figure: Figure): number
}

/** @param connections those of the table. Default: the most, because under load a gateway shows what it costs. */
type Figure = (scenario: string, subject: string, key: string, connections?: number) => number

const cpu = 'cpu'
const three = 'postern +3 plugins'

const wanted: readonly Wanted[] = [
  {
    title: 'pass-through / nginx, CPU per request',
    target: 1.5,
    stretch: 1.3,
    value: (figure) => figure('small', 'postern', cpu) / figure('small', 'nginx', cpu),
  },
  {
    title: '3 plugins / nginx+lua doing the same, CPU per request',
    target: 1.45,
    stretch: 1.25,
    value: (figure) => figure('small', three, cpu) / figure('small', 'nginx+lua', cpu),
  },
  {
    title: 'each of 2 more plugins that write a header (5 plugins − 3), CPU µs per request',
    target: 1,
    stretch: 0.6,
    value: (figure) => (figure('small', 'postern +5 plugins', cpu) - figure('small', three, cpu)) / 2,
  },
  {
    title: 'rate-limit and header-route together (3 plugins − 1), CPU µs per request',
    value: (figure) => figure('small', three, cpu) - figure('small', 'postern +1 plugin', cpu),
  },
  {
    title: '3 plugins / caddy passing through, CPU per request',
    target: 0.42,
    stretch: 0.33,
    value: (figure) => figure('small', three, cpu) / figure('small', 'caddy', cpu),
  },
  {
    title: '3 plugins / @fastify/http-proxy passing through, CPU per request',
    target: 0.42,
    stretch: 0.33,
    value: (figure) => figure('small', three, cpu) / figure('small', '@fastify/http-proxy', cpu),
  },
  {
    title: '3 plugins at one connection, above pass-through, CPU µs per request',
    target: 50,
    stretch: 25,
    value: (figure) => figure('small', three, cpu, 1) - figure('small', 'postern', cpu, 1),
  },
  {
    title: 'new connection per request / nginx, CPU per request',
    target: 1.9,
    stretch: 1.5,
    value: (figure) => figure('connect', 'postern', cpu) / figure('connect', 'nginx', cpu),
  },
  {
    title: 'over TLS / nginx, CPU per request',
    target: 1.8,
    stretch: 1.4,
    value: (figure) => figure('tls', 'postern', cpu) / figure('tls', 'nginx', cpu),
  },
  {
    title: 'full TLS handshake / nginx, CPU per connection with its request',
    target: 1.3,
    value: (figure) => figure('handshake', 'postern', cpu) / figure('handshake', 'nginx', cpu),
  },
  {
    title: 'resumed TLS handshake / nginx, CPU per connection with its request',
    target: 1.25,
    value: (figure) => figure('resumption', 'postern', cpu) / figure('resumption', 'nginx', cpu),
  },
  {
    title: 'over HTTP/2 / nginx, CPU per request, 32 connections',
    target: 1.5,
    stretch: 1.1,
    value: (figure) => figure('h2', 'postern', cpu) / figure('h2', 'nginx', cpu),
  },
  {
    title: 'over HTTP/2 / nginx, CPU per request, 4 connections of 8 streams',
    target: 1.5,
    stretch: 1.1,
    value: (figure) => figure('h2-streams', 'postern', cpu) / figure('h2-streams', 'nginx', cpu),
  },
  {
    title: '3 plugins over HTTP/2 / nginx+lua doing the same, CPU per request, 32 connections',
    value: (figure) => figure('h2', three, cpu) / figure('h2', 'nginx+lua', cpu),
  },
  {
    title: 'calls of gRPC / nginx, CPU per call',
    value: (figure) => figure('grpc', 'postern', cpu) / figure('grpc', 'nginx', cpu),
  },
  {
    title: 'idle connection of HTTP/2, KB',
    target: 5,
    value: (figure) => figure('idle-h2', 'postern', 'perConnection'),
  },
  {
    title: 'open call of gRPC on both sides / nginx, memory',
    value: (figure) => figure('streams', 'postern', 'perConnection') / figure('streams', 'nginx', 'perConnection'),
  },
  {
    title: 'TCP relay / haproxy, CPU per request',
    target: 1.15,
    stretch: 1.08,
    value: (figure) => figure('tcp', 'postern tcp', cpu) / figure('tcp', 'haproxy tcp', cpu),
  },
  {
    title: 'new connection through the TCP relay / nginx, CPU per connection',
    value: (figure) => figure('connect-tcp', 'postern tcp', cpu) / figure('connect-tcp', 'nginx stream', cpu),
  },
  {
    title: 'header of the PROXY protocol, CPU µs per connection',
    value: (figure) =>
      figure('connect-proxy', 'postern tcp', cpu) - figure('connect-proxy', 'postern tcp, no header', cpu),
  },
  {
    title: 'UDP round trip / nginx, CPU',
    target: 1.8,
    value: (figure) => figure('udp', 'postern udp', cpu) / figure('udp', 'nginx stream', cpu),
  },
  {
    title: 'idle connection through the TCP relay, KB',
    value: (figure) => figure('idle-tcp', 'postern tcp', 'perConnection'),
  },
  {
    title: '100 KB bodies / nginx, CPU per request',
    target: 0.68,
    value: (figure) => figure('100k', 'postern', cpu) / figure('100k', 'nginx', cpu),
  },
  {
    title: '10 MB bodies / nginx, CPU per GB',
    target: 0.5,
    value: (figure) => figure('10m', 'postern', cpu) / figure('10m', 'nginx', cpu),
  },
  {
    title: 'idle connection, KB',
    target: 2.5,
    stretch: 1.5,
    value: (figure) => figure('idle', 'postern', 'perConnection'),
  },
  {
    title: 'idle connection over TLS, KB',
    target: 36,
    value: (figure) => figure('idle-tls', 'postern', 'perConnection'),
  },
  {
    title: 'p99 added at half load / p99 that nginx adds',
    target: 4,
    stretch: 2,
    value: (figure) => over(figure('latency', 'postern', 'added99'), figure('latency', 'nginx', 'added99')),
  },
  {
    title: 'the same with 3 plugins / nginx+lua',
    value: (figure) => over(figure('latency', three, 'added99'), figure('latency', 'nginx+lua', 'added99')),
  },
  {
    title: 'p50 added at one connection / p50 that nginx adds',
    value: (figure) => over(figure('latency', 'postern', 'added50', 1), figure('latency', 'nginx', 'added50', 1)),
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
    value: (figure) => figure('workers', `${three} ×2 workers`, 'rate') / figure('workers', three, 'rate'),
  },
  {
    title: 'WebSocket echo / nginx, CPU per message',
    value: (figure) => figure('websocket', 'postern', cpu) / figure('websocket', 'nginx', cpu),
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

/** On a busy machine the backend alone may have been slower than a proxy in front of it: then there is no ratio. */
function over(one: number, other: number): number {
  return one > 0 && other > 0 ? one / other : Number.NaN
}

/** What the project has set itself targets for, and what else is worth a line, as far as the rows were measured. */
export function compare(tables: readonly Table[]): Comparison[] {
  const figure: Figure = (scenario, subject, key, connections) =>
    rowOf(tables, scenario, subject, connections)?.figures[key] ?? Number.NaN
  return wanted
    .map(({ title, target, stretch, value }) => ({ title, target, stretch, value: value(figure) }))
    .filter(({ value }) => !Number.isNaN(value))
}

function rowOf(tables: readonly Table[], scenario: string, subject: string, wanted?: number): Row | undefined {
  const own = tables.filter((table) => table.scenario === scenario)
  const connections = wanted ?? Math.max(...own.map(({ connections = 0 }) => connections))
  const table = own.find((table) => (table.connections ?? 0) === connections)
  return table?.rows.find((row) => row.subject === subject)
}
