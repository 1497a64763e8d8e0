import { printable } from '../config/problem.ts'
import type { LineStream } from './log.ts'

/** The log for a person at a terminal: of each record the part that one looks at first, in one short line. */
export class ShortLines implements LineStream {
  readonly #lines: LineStream & { flush(done: () => void): void }

  constructor(lines: LineStream & { flush(done: () => void): void }) {
    this.#lines = lines
  }

  write(lines: string): void {
    for (const line of lines.split('\n')) if (line !== '') this.#lines.write(`${shorten(line)}\n`)
  }

  flush(done: () => void): void {
    this.#lines.flush(done)
  }
}

/** What records of flows have as `msg`. */
const flows: ReadonlySet<unknown> = new Set(['request', 'connection', 'session', 'handshake'])

type Entry = Readonly<Record<string, unknown>>

/** A record as a short line; text that is not a record stays as it is. */
export function shorten(line: string): string {
  let entry: Entry
  try {
    entry = JSON.parse(line) as Entry
  } catch {
    return printable(line)
  }
  const time = typeof entry.time === 'string' ? new Date(entry.time).toTimeString().slice(0, 8) : ''
  const isFlow = flows.has(entry.msg)
  return printable([time, isFlow ? flowOf(entry) : eventOf(entry)].filter(Boolean).join(' '))
}

/** `200 GET localhost/orders/1 → 127.0.0.1:9101 3.2 ms`, and why it failed. */
function flowOf(entry: Entry): string {
  const { msg, status, method, host, path, client, listener, backend, ms, outcome, cause } = entry
  const what = msg !== 'request' ? [msg, listener, client] : [status, method ?? client, `${text(host)}${text(path)}`]
  const way = backend === undefined ? [] : ['→', backend]
  const time = typeof ms === 'number' ? [`${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`] : []
  const failure = [outcome, cause].filter((one) => one !== undefined && one !== '').map(text)
  return [...what.filter((part) => part !== undefined), ...way, ...time, failure.join(': ')]
    .map(text)
    .filter((part) => part !== '')
    .join(' ')
}

/** `warn backend down  upstream=app why="connection refused"`. */
function eventOf({ level, time: _, msg, ...facts }: Entry): string {
  const shown = Object.entries(facts).map(([name, value]) => `${name}=${brief(value)}`)
  return [level === 'info' ? '' : level, msg, ...shown]
    .map(text)
    .filter((part) => part !== '')
    .join(' ')
}

function brief(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)
}

function text(value: unknown): string {
  return value === undefined ? '' : String(value)
}
