import { execFileSync } from 'node:child_process'
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import type { PluginCode } from '../../core/sandbox/plugin.ts'
import { PluginBuildError, problemText } from '../../core/sandbox/plugin-build-error.ts'
import cases from '../cases/sandbox/boundary.json' with { type: 'json' }

/** A text, or what is not a file of its own: a link, another name of the file beside it, a pipe, a file of a size. */
type Entry = string | { link: string } | { same: string } | { pipe: boolean } | { size: number }

interface Case {
  readonly name: string
  /** Path → content, in the folder of the configuration; `{folder}` in a text is that folder. */
  readonly files: Readonly<Record<string, Entry>>
  /** Default: `plugins/x/index.ts`. */
  readonly entry?: string
  /** Files that the configuration refers to. */
  readonly keptOut?: readonly string[]
  /** Names that the plugin uses, so that they are part of the script. Default: `secret`. */
  readonly uses?: readonly string[]
  /** Texts of the script. */
  readonly contains?: readonly string[]
  /** Every problem, without the name of the entry file; or, with `fails`, any. */
  readonly problems?: readonly string[]
  readonly fails?: boolean
}

let folder: string
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'postern-boundary-')))
})
afterEach(() => rmSync(folder, { recursive: true }))

test.each(cases as unknown as Case[])('$name', async (one) => {
  const entry = one.entry ?? 'plugins/x/index.ts'
  for (const [path, content] of Object.entries(one.files)) put(path, content)
  const own = one.files[entry]
  if (typeof own === 'string') {
    const uses = one.uses ?? ['secret']
    const known = uses.filter((name) => own.includes(name))
    put(entry, `${own}\nexport default { name: 'x', onRequest: () => [${known.join(', ')}] }\n`)
  }
  const file = join(folder, entry)
  const keptOut = {
    folder,
    paths: ['gateway.json', 'policies', ...(one.keptOut ?? [])].map((path) => join(folder, path)),
  }
  const outcome = await bundlePlugin({ file, publisher: 'local', keptOut }).catch((error: unknown) => error)
  if (one.contains !== undefined) {
    const { script } = outcome as PluginCode
    for (const text of one.contains) expect(script).toContain(text)
    return
  }
  expect(outcome).toBeInstanceOf(PluginBuildError)
  const { problems } = outcome as PluginBuildError
  const shown = relative(process.cwd(), file)
  const fill = (text: string): string =>
    text.replaceAll('{folder}', folder).replaceAll('{cwd}', relative(process.cwd(), folder))
  if (one.problems !== undefined) {
    expect(problems.map(problemText)).toEqual(one.problems.map((problem) => `${shown}:${fill(problem)}`))
  }
  expect((outcome as Error).message).not.toContain('SECRET')
})

// Elsewhere the memory of a process cannot be read.
test.runIf(process.platform === 'linux')('a package.json without an end', async () => {
  put('plugins/x/index.ts', "import './sub/a.ts'\nexport default { name: 'x', onRequest() {} }")
  put('plugins/x/sub/a.ts', '')
  const file = join(folder, 'plugins/x/index.ts')
  symlinkSync('/dev/zero', join(folder, 'plugins/x/sub/package.json'))
  await expect(bundlePlugin({ file, publisher: 'local' })).rejects.toThrow(
    /:1:1: bundling the plugin used more than 1024 MB/,
  )
  rmSync(join(folder, 'plugins/x/sub/package.json'))
  expect((await bundlePlugin({ file, publisher: 'local' })).name).toBe('x')
})

test('whatever a plugin imports, nothing outside of its folder gets into its script', async () => {
  const outside = {
    'gateway.json': '"SECRET"',
    'secret.js': 'export default "SECRET"',
    'keys.ts': 'export default "SECRET"',
  }
  for (const place of ['', 'private/', 'plugins/', 'plugins/y/', 'policies/']) {
    for (const [name, text] of Object.entries(outside)) put(place + name, text)
  }
  put('package.json', '{"name": "site", "exports": {"./*": "./*"}}')
  put('private/package.json', '{"name": "private"}')
  put('node_modules/good/package.json', '{"name": "good"}')
  put('node_modules/good/index.js', 'module.exports = "own"')
  put('plugins/x/index.ts', "import own from 'good'\nexport default own")
  put(
    'plugins/x/package.json',
    '{"name": "x", "imports": {"#lib/*": "./lib/*", "#up/*": "./up/*", "#odd": "odd/keys.ts"}}',
  )
  for (const [name, link] of Object.entries({
    lib: '../../private',
    up: '..',
    self: '.',
    'data.json': '../../gateway.json',
  })) {
    put(`plugins/x/${name}`, { link })
  }
  put('plugins/x/node_modules/odd', { link: '../../../private' })
  put('plugins/x/node_modules/site', { link: '../../..' })
  const names = [
    '..',
    '.',
    'lib',
    'up',
    'self',
    'x',
    'y',
    'plugins',
    'private',
    'policies',
    'node_modules',
    'good',
    'odd',
    'site',
  ]
  const ends = ['gateway.json', 'secret.js', 'secret', 'keys.ts', 'keys.js', 'data.json', 'index.ts', '']
  const starts = ['./', '../', '/', 'odd/', 'site/', 'good/', '#lib/', '#up/', '#odd', 'file:']
  const specifier = fc
    .tuple(fc.constantFrom(...starts), fc.array(fc.constantFrom(...names), { maxLength: 5 }), fc.constantFrom(...ends))
    .map(([start, between, end]) => start + [...between, end].join('/'))
  let built = 0
  await fc.assert(
    fc.asyncProperty(specifier, fc.constantFrom('import it from', 'const it = require('), async (path, how) => {
      const end = how.endsWith('(') ? ')' : ''
      put(
        'plugins/x/attempt.ts',
        `${how} ${JSON.stringify(path)}${end}\nexport default { name: 'x', onRequest: () => it }`,
      )
      const file = join(folder, 'plugins/x/attempt.ts')
      const keptOut = { folder, paths: [join(folder, 'gateway.json'), join(folder, 'policies')] }
      const outcome = await bundlePlugin({ file, publisher: 'local', keptOut }).catch((error: unknown) => error)
      if (outcome instanceof Error) expect(outcome.message).not.toContain('SECRET')
      else {
        built++
        const { script, map } = outcome as PluginCode
        expect(script + map).not.toContain('SECRET')
      }
    }),
    {
      numRuns: 100,
      examples: [
        ['./index.ts', 'import it from'],
        ['good/', 'import it from'],
        ['#lib/secret.js', 'import it from'],
      ],
    },
  )
  expect(built).toBeGreaterThan(0)
})

describe('bounds', () => {
  test('a plugin has at most so many files', async () => {
    // esbuild lists a folder for each import from it: small ones.
    const names = Array.from({ length: 2_001 }, (_, i) => `f${i % 50}/m${i}`)
    for (const name of names) put(`${name}.ts`, 'export {}')
    put('index.ts', `${names.map((name) => `import './${name}.ts'`).join('\n')}\nexport default {}`)
    const outcome = bundlePlugin({ file: join(folder, 'index.ts'), publisher: 'local' })
    await expect(outcome).rejects.toThrow('the plugin has more than 2000 files')
  })

  test('the files of a plugin have at most so many bytes together', async () => {
    const text = `/*${' '.repeat(4_000_000)}*/`
    const names = Array.from({ length: 5 }, (_, i) => `m${i}`)
    for (const name of names) put(`${name}.ts`, text)
    put('index.ts', `${names.map((name) => `import './${name}.ts'`).join('\n')}\nexport default {}`)
    const outcome = bundlePlugin({ file: join(folder, 'index.ts'), publisher: 'local' })
    await expect(outcome).rejects.toThrow('the files of the plugin have more than 16 MB together')
  })
})

test('the process that bundles knows nothing of the environment', async () => {
  put('index.ts', "export default { name: 'x', onRequest() {} }")
  await bundlePlugin({ file: join(folder, 'index.ts'), publisher: 'local' })
  const bundlers = readdirSync('/proc').filter((pid) => {
    return isChild(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--service=')
  })
  expect(bundlers.length).toBeGreaterThan(0)
  for (const pid of bundlers) expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).toBe('')
})

function isChild(pid: string): boolean {
  try {
    return / \(.*\) \w (\d+) /s.exec(` ${readFileSync(`/proc/${pid}/stat`, 'utf8')}`)?.[1] === String(process.pid)
  } catch {
    return false
  }
}

function put(path: string, content: Entry): void {
  const file = join(folder, path)
  mkdirSync(dirname(file), { recursive: true })
  if (typeof content === 'string') writeFileSync(file, content.replaceAll('{folder}', folder))
  else if ('link' in content) symlinkSync(content.link, file)
  else if ('same' in content) linkSync(join(dirname(file), content.same), file)
  else if ('pipe' in content) execFileSync('mkfifo', [file])
  else {
    writeFileSync(file, '')
    truncateSync(file, content.size)
  }
}
