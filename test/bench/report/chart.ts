import type { Results, Row } from '../results.ts'

const width = 760
const bar = 22
const gap = 8
const left = 230
const right = 130

/** Bars of the lead figure of small requests at the highest concurrency, each with its ratio to nginx: SVG. */
export function drawChart({ tables, date, machine }: Results): string {
  const own = tables.filter(({ scenario }) => scenario === 'small')
  const table = own.toSorted((a, b) => (b.connections ?? 0) - (a.connections ?? 0))[0]
  const rows = (table?.rows ?? [])
    .filter((row) => Number.isFinite(costOf(row)))
    .toSorted((a, b) => costOf(a) - costOf(b))
  const most = Math.max(...rows.map(costOf))
  const height = 70 + rows.length * (bar + gap) + 26
  const bars = rows.map((row, index) => drawBar(row, 62 + index * (bar + gap), most))
  const from = `${date.slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores`
  // A background of its own: readable on a light and on a dark page.
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="13">
<title>CPU µs per request</title>
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="16" y="28" font-size="16" font-weight="600" fill="#1f2328">CPU µs per request: ${escaped(table?.title ?? 'not measured')}</text>
<text x="16" y="48" fill="#59636e">shorter is better; × is the ratio to nginx in the same run</text>
${bars.join('\n')}
<text x="16" y="${height - 12}" font-size="11" fill="#59636e">${escaped(from)}</text>
</svg>
`
}

function drawBar(row: Row, y: number, most: number): string {
  const cost = costOf(row)
  const length = Math.round(((width - left - right) * cost) / most)
  const ratio = row.ratio === undefined ? '' : ` · ${row.ratio.toFixed(2)}×`
  const color = row.subject.startsWith('postern') ? '#0969da' : '#afb8c1'
  const middle = y + bar / 2 + 5
  return `<text x="${left - 10}" y="${middle}" text-anchor="end" fill="#1f2328">${escaped(row.subject)}</text>
<rect x="${left}" y="${y}" width="${length}" height="${bar}" rx="3" fill="${color}"/>
<text x="${left + length + 8}" y="${middle}" fill="#1f2328">${cost.toFixed(1)}${ratio}</text>`
}

function costOf({ figures }: Row): number {
  return figures.cpu ?? Number.NaN
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
