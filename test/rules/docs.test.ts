import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { exampleLines } from '../../core/cli/example.ts'
import { outcomes } from '../../core/errors.ts'
import { points } from '../../sdk/points.ts'
import { linksOf, tableOf } from './markdown.ts'
import { read, root } from './sources.ts'

const readme = read('README.md')

test('the hook table of README.md is sdk/points.ts', () => {
  const written = tableOf(readme, 'hook').map((row) => ({
    hook: row.hook,
    layer: row.layer,
    kind: row.kind,
    await: row['may await'],
  }))
  const meant = Object.entries(points).map(([hook, { layers, kind, reversed, mayAwait }]) => ({
    hook,
    layer: layers.join(', '),
    kind: reversed ? `${kind}, reversed` : kind,
    await: mayAwait ? 'yes' : 'no',
  }))
  expect(written).toEqual(meant)
})

test('the outcome table of core/README.md is core/errors.ts', () => {
  const written = tableOf(read('core/README.md'), 'code')
  const meant = Object.entries(outcomes).map(([code, { source, status, title }]) => {
    return { code, who: source, status: `${status}`, meaning: title }
  })
  expect(written).toEqual(meant)
})

test('README.md shows what the example prints', () => {
  const commands = exampleLines()
    .map((line) => line.trim())
    .filter((line) => /^(curl|printf) /.test(line))
  expect(commands.length).toBeGreaterThan(5)
  for (const command of commands) expect(readme.split('\n')).toContain(command)
})

describe.each(['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'core/README.md', 'docker/README.md'])(
  '%s',
  (document) => {
    const text = (): string => read(document)

    test('links lead somewhere', () => {
      expect(linksOf(text()).filter((link) => !existsSync(join(root, dirname(document), link)))).toEqual([])
    })

    test('scripts of npm that it names exist', () => {
      const scripts = JSON.parse(read('package.json')).scripts as Record<string, string>
      const named = [...text().matchAll(/\bnpm run ([a-z-]+)/g)].map((match) => match[1]!)
      expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([])
    })
  },
)
