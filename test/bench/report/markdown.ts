import type { Results } from '../results.ts'
import { cellsOf } from './cells.ts'
import { about } from './text.ts'

const begin = '<!-- bench -->'
const end = '<!-- /bench -->'

/** The same for a document. */
export function toMarkdown(results: Results): string {
  const tables = results.tables.map((table) => `**${table.title}**\n\n${grid(cellsOf(table))}`)
  const targets = results.comparisons.map(({ title, value, target }) => [title, value.toFixed(2), `≤ ${target}`])
  const parts = targets.length === 0 ? [] : [`**Targets**\n\n${grid([['', 'now', 'target'], ...targets])}`]
  return [...tables, ...parts, about(results).join('; ').replaceAll('; missing', '. Missing')].join('\n\n')
}

/** @throws {Error} when the document has no place for it. */
export function insertBetweenMarkers(document: string, text: string): string {
  const from = document.indexOf(begin)
  const to = document.indexOf(end)
  if (from === -1 || to < from) throw new Error(`the document has no ${begin} … ${end}`)
  return `${document.slice(0, from + begin.length)}\n\n${text}\n\n${document.slice(to)}`
}

function grid([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'))
  return [head, rule, ...rows].map(line).join('\n')
}
