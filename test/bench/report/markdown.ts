import type { Results } from '../results.ts'
import { overviewOf } from './overview.ts'

const begin = '<!-- bench -->'
const end = '<!-- /bench -->'

/** The overview for a document, with where it comes from. */
export function toMarkdown(results: Results): string {
  const { date, command, machine, versions, missing } = results
  const names = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const where = `${date.slice(0, 10)}, \`${command}\`, ${machine.cpu}, ${machine.cores} cores, ${machine.kernel}`
  const without = missing.length === 0 ? '' : ` Not measured: ${missing.join(', ')}.`
  return `${grid(overviewOf(results))}\n\n${where}; ${names.join(', ')}.${without}`
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
