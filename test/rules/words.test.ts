import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { read, root } from './sources.ts'

/** Words of riddles: a message or comment with one of them has to be read twice. */
const refused = /\b(?:whoever|nobody|is none|comes to)\b/i

interface Text {
  readonly where: string
  readonly text: string
}

test('messages are free of riddles', () => {
  const texts = [
    ...filesOf('.ts', ['core', 'sdk', 'plugins']).flatMap((path) => partsOf(path).literals),
    ...filesOf('.json', ['sdk', 'policies']).flatMap(stringsOf),
    ...filesOf('.json', ['test/cases/check']).flatMap(expectationsOf),
  ]
  expect(texts.length).toBeGreaterThan(1_000)
  expect(riddles(texts)).toEqual([])
})

test('comments and documents are free of riddles', () => {
  const texts = [
    ...filesOf('.ts', ['core', 'sdk', 'plugins']).flatMap((path) => partsOf(path).comments),
    ...[...filesOf('.md', ['core', 'sdk', 'plugins', 'docker']), ...filesOf('.md', ['.'], false)].flatMap((path) =>
      read(path)
        .split('\n')
        .map((text, index) => ({ where: `${path}:${index + 1}`, text })),
    ),
  ]
  expect(texts.length).toBeGreaterThan(1_000)
  expect(riddles(texts)).toEqual([])
})

test('literals and comments of a source are told apart', () => {
  const hole = '$'.concat("{/['\"`]/.test('six')}")
  const source = `const a = 'one' // two\n/* three\nfour */ const b = \`five ${hole} seven\`\nb / 2 // it's\n`
  const { literals, comments } = split(source, 'x')
  expect(literals.map(({ text }) => text).sort()).toEqual([' seven', 'five ', 'one', 'six'])
  expect(comments).toEqual([
    { where: 'x:1', text: ' two' },
    { where: 'x:2', text: ' three\nfour ' },
    { where: 'x:4', text: " it's" },
  ])
})

function riddles(texts: readonly Text[]): string[] {
  return texts.filter(({ text }) => refused.test(text)).map(({ where, text }) => `${where}: ${refused.exec(text)?.[0]}`)
}

function filesOf(extension: string, folders: readonly string[], recursive = true): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(extension) && !entry.name.endsWith('.test.ts'))
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)),
  )
}

function stringsOf(path: string): Text[] {
  return textsIn(JSON.parse(read(path)), path)
}

/** What the cases of `postern check` expect to be printed. */
function expectationsOf(path: string): Text[] {
  const cases = JSON.parse(read(path)) as { name: string; problems: unknown; warnings?: unknown }[]
  return cases.flatMap(({ name, problems, warnings }) => textsIn([problems, warnings], `${path} ${name}`))
}

function textsIn(value: unknown, where: string): Text[] {
  if (typeof value === 'string') return [{ where, text: value }]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap((part) => textsIn(part, where)) : []
}

function partsOf(path: string): { literals: Text[]; comments: Text[] } {
  return split(read(path), path)
}

/** A source's literals and comments, each with its line: enough of a scanner for sources that biome has formatted. */
function split(source: string, path: string): { literals: Text[]; comments: Text[] } {
  const literals: Text[] = []
  const comments: Text[] = []
  /** Open braces in each `${…}` that the position is in. */
  const nested: number[] = []
  let at = 0
  const take = (into: Text[], pattern: RegExp): string => {
    const sticky = new RegExp(pattern.source, 'ys')
    sticky.lastIndex = at
    const [whole = source[at]!, text = ''] = sticky.exec(source) ?? []
    if (text !== '') into.push({ where: `${path}:${source.slice(0, at).split('\n').length}`, text })
    at += whole.length
    return whole
  }
  const template = (): void => {
    if (take(literals, /[`}]((?:[^`\\$]|\\.|\$(?!\{))*)(?:`|\$\{)/).endsWith('${')) nested.push(0)
  }
  while (at < source.length) {
    const character = source[at]
    if (source.startsWith('//', at)) take(comments, /\/\/([^\n]*)/)
    else if (source.startsWith('/*', at)) take(comments, /\/\*(.*?)\*\//)
    else if (character === '/' && /(?:^|[(,=:[!&|?{};+>]|\breturn)\s*$/.test(source.slice(Math.max(0, at - 80), at)))
      take([], /\/((?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\//)
    else if (character === "'" || character === '"')
      take(literals, character === "'" ? /'((?:[^'\\\n]|\\.)*)'/ : /"((?:[^"\\\n]|\\.)*)"/)
    else if (character === '`') template()
    else if (character === '}' && nested.at(-1) === 0) {
      nested.pop()
      template()
    } else {
      if (nested.length > 0 && character === '{') nested[nested.length - 1]!++
      if (nested.length > 0 && character === '}') nested[nested.length - 1]!--
      at++
    }
  }
  return { literals, comments }
}
