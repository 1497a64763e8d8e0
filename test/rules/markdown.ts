/** Rows of the first table of a document whose first column is headed `column`; backticks are left out of the cells. */
export function tableOf(markdown: string, column: string): Record<string, string>[] {
  const lines = markdown.split('\n')
  const start = lines.findIndex((line) => line.startsWith('|') && cellsOf(line)[0] === column)
  if (start < 0) throw new Error(`there is no table with the first column "${column}"`)
  const heads = cellsOf(lines[start]!)
  const rows: Record<string, string>[] = []
  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith('|')) break
    const cells = cellsOf(line)
    rows.push(Object.fromEntries(heads.map((head, index) => [head, cells[index] ?? ''])))
  }
  return rows
}

/** The fenced blocks of a language, in order. */
export function blocksOf(markdown: string, language: string): string[] {
  return [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter((match) => match[1] === language)
    .map((match) => match[2]!)
}

/** Where its links lead, those out of the tree excepted. */
export function linksOf(markdown: string): string[] {
  return [...markdown.matchAll(/\]\(([^)\s#]+)/g)].map((match) => match[1]!).filter((link) => !/^\w+:/.test(link))
}

function cellsOf(line: string): string[] {
  return line
    .replace(/^\||\|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.replaceAll('\\|', '|').replaceAll('`', '').trim())
}
