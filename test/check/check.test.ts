import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { checkConfig } from '../../core/check/check.ts'
import { ownPlugins, pluginNames } from '../../core/check/resolve-plugin.ts'
import { plainLine } from './plain-line.ts'

interface Case {
  readonly name: string
  /** Path → text, or data to be written as JSON; `null`: no such file. */
  readonly files: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
  /** Lines, in the order of the text unless `unordered`. */
  readonly problems: readonly string[]
  readonly unordered?: boolean
  readonly warnings?: readonly string[]
  /** A part of the resulting configuration; all of it when `exact`. */
  readonly config?: object
  readonly exact?: boolean
  /** Value → reference. */
  readonly secrets?: Readonly<Record<string, string>>
}

const cases = new URL('../cases/check/', import.meta.url)
const home = process.cwd()
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'postern-config-')))

beforeEach(() => {
  process.chdir(home)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  process.chdir(folder)
})

afterAll(() => {
  process.chdir(home)
  rmSync(folder, { recursive: true, force: true })
})

for (const file of readdirSync(cases)) {
  describe(file.replace('.json', ''), () => {
    const list = JSON.parse(readFileSync(new URL(file, cases), 'utf8')) as Case[]
    test.each(list)('$name', async (one) => {
      write(one.files)
      const result = await checkConfig('gateway.json', { env: { ...one.env } })
      const lines = result.ok ? [] : result.problems.map(plainLine)
      const expected = one.problems.map(fill)
      // What another part of the gateway says is its own: "…" stands for the rest of such a line.
      for (const line of expected.filter((text) => text.endsWith('…'))) {
        const at = lines.findIndex((text) => text.startsWith(line.slice(0, -1)))
        if (at !== -1) lines[at] = line
      }
      expect(one.unordered ? lines.toSorted() : lines).toEqual(one.unordered ? expected.toSorted() : expected)
      for (const secret of Object.values(one.env ?? {})) {
        if (secret.length > 3) expect(lines.join('\n').toLowerCase()).not.toContain(secret.toLowerCase())
      }
      if (!result.ok) return
      if (one.exact) expect(result.config).toEqual(one.config)
      else if (one.config !== undefined) expect(result.config).toMatchObject(one.config)
      if (one.secrets !== undefined) {
        expect(Object.fromEntries(result.secrets.map(({ value, reference }) => [value, reference]))).toEqual(
          one.secrets,
        )
      }
      if (one.warnings !== undefined) expect(result.warnings.map(plainLine)).toEqual(one.warnings)
    })
  })
}

test('the result is frozen, its tables have no inherited names, and it says what it was read from', async () => {
  write({
    'gateway.json': {
      listeners: { web: { port: 1, policies: ['partners'] } },
      routes: { all: { listener: 'web', upstream: 'app' } },
      upstreams: { app: { backends: [{ address: 'a:1' }] } },
    },
    'policies/partners.json': { plugin: 'key-auth', options: { keys: { ['$'.concat('{file:key.txt}')]: 'alice' } } },
    'key.txt': 'sesame',
  })
  const result = await checkConfig('gateway.json')
  if (!result.ok) throw new Error(result.problems.map(plainLine).join('\n'))
  const { config, policies, files } = result
  expect(config.upstreams.constructor).toBeUndefined()
  expect(Object.isFrozen(config.upstreams.app?.backends[0])).toBe(true)
  const partners = policies.get('partners')!
  expect(Object.isFrozen(partners.options)).toBe(true)
  expect(partners.scopes.reads).toEqual(['header:x-api-key'])
  expect(partners.plugin.publisher).toBe('postern')
  expect(partners.limits).toEqual({ time: 20, memory: 64, wait: 5_000, operations: 64 })
  const plugin = realpathSync(join(ownPlugins, 'key-auth/index.ts'))
  const read = ['gateway.json', 'key.txt', 'policies/partners.json'].map((name) => join(folder, name))
  expect([...files].sort()).toEqual([...read, plugin].sort())
})

test('problems know their place in the text', async () => {
  write({ 'gateway.json': '{\n  "listeners": {\n    "web": { "port": "x" }\n  }\n}' })
  const result = await checkConfig('gateway.json')
  expect(result.ok ? [] : result.problems).toEqual([
    {
      file: 'gateway.json',
      path: 'listeners.web.port',
      message: 'must be a whole number, not "x"',
      line: 3,
      column: 14,
    },
  ])
})

function write(files: Readonly<Record<string, unknown>>): void {
  for (const [path, content] of Object.entries(files)) {
    if (content === null) continue
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content, null, 2))
  }
}

function fill(line: string): string {
  const own = pluginNames(ownPlugins).map((name) => `"${name}"`)
  return line.replace('{own}', own.join(', ')).replace('{root}', `${home}/`).replace('{cwd}', folder)
}
