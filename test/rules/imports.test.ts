import { posix } from 'node:path'
import { describe, expect, test } from 'vitest'
import { read, type Source, sourcesOf } from './sources.ts'

const core = sourcesOf('core')
const sdk = sourcesOf('sdk')
const plugins = sourcesOf('plugins')
const everything = [...core, ...sdk, ...plugins, ...sourcesOf('test')]

const { dependencies, peerDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
/** Those that come with it, and those that a user installs who needs them. */
const packages = Object.keys({ ...dependencies, ...peerDependencies })

const isTest = ({ path }: Source): boolean => path.endsWith('.test.ts')
const isRelative = (specifier: string): boolean => specifier.startsWith('.')

/** Imports that the rule does not allow, each as `file → import`; a relative import is judged by where it leads. */
function breaches(sources: readonly Source[], allowed: (to: string, from: Source) => boolean): string[] {
  return sources.flatMap((source) =>
    source.imports
      .map((specifier) => (isRelative(specifier) ? posix.join(posix.dirname(source.path), specifier) : specifier))
      .filter((to) => !allowed(to, source))
      .map((to) => `${source.path} → ${to}`),
  )
}

test('there is something to judge', () => {
  expect(core.flatMap((source) => source.imports).length).toBeGreaterThan(50)
  expect(sdk.length).toBeGreaterThan(5)
  expect(plugins.length).toBeGreaterThan(5)
})

describe('imports point one way', () => {
  test('sdk imports nothing but a library of types', () => {
    expect(breaches(sdk, (to) => to.startsWith('sdk/') || to === 'json-schema-to-ts')).toEqual([])
    const untyped = sdk.filter(({ code }) => /^import (?!type ).*'json-schema-to-ts'/m.test(code))
    expect(untyped.map(({ path }) => path)).toEqual([])
  })

  test('a plugin imports the sdk and its own files', () => {
    const code = plugins.filter((source) => !isTest(source))
    const own = (to: string, { path }: Source): boolean => to.startsWith(`${posix.dirname(path)}/`)
    expect(breaches(code, (to, from) => to === 'postern/sdk' || own(to, from))).toEqual([])
  })

  test("a plugin's tests add the test kit, vitest, fast-check and Node", () => {
    const kit = ['postern/sdk', 'postern/testing', 'vitest', 'fast-check']
    const allowed = (to: string, { path }: Source): boolean =>
      kit.includes(to) || to.startsWith('node:') || to.startsWith(`${posix.dirname(path)}/`)
    expect(breaches(plugins.filter(isTest), allowed)).toEqual([])
  })

  test('core imports core, the sdk, Node and its own packages, never a plugin', () => {
    const allowed = (to: string): boolean =>
      to.startsWith('core/') || to.startsWith('sdk/') || to.startsWith('node:') || packages.includes(packageOf(to))
    expect(breaches(core, allowed)).toEqual([])
  })

  test('isolated-vm stays in core/sandbox', () => {
    expect(everyoneWho('isolated-vm').filter((path) => !path.startsWith('core/sandbox/'))).toEqual([])
  })
})

/** What knows a package has to change when the package does: one or two files of the core, no more. */
test.each(packages.filter((name) => name !== 'isolated-vm'))('%s is known by at most two files', (name) => {
  const files = everyoneWho(name).filter((path) => !path.startsWith('sdk/'))
  expect(files.length, files.join(', ')).toBeLessThanOrEqual(2)
})

describe('files', () => {
  test('relative imports name the file, with .ts', () => {
    const vague = everything.flatMap(({ path, imports }) =>
      imports
        .filter((specifier) => isRelative(specifier) && !/\.(ts|json)$/.test(specifier))
        .map((specifier) => `${path} → ${specifier}`),
    )
    expect(vague).toEqual([])
  })

  test('no escape from the types', () => {
    const escapes = /\bas any\b|[:<,|] ?any\b(?! \w)|@ts-ignore|@ts-nocheck/
    const found = everything.filter(({ path, code }) => path !== 'test/rules/imports.test.ts' && escapes.test(code))
    expect(found.map(({ path }) => path)).toEqual([])
  })

  test('no barrels but the entries of the package', () => {
    const entries = ['sdk/index.ts', 'core/testing/index.ts', 'core/start.ts']
    const barrels = everything.filter(
      ({ path, code }) => !entries.includes(path) && /^export (?:type )?(?:\{[^}]*\}|\*) from /m.test(code),
    )
    expect(barrels.map(({ path }) => path)).toEqual([])
  })

  test('no file named after nothing in particular', () => {
    expect(
      everything.map(({ path }) => path).filter((path) => /(^|\/)(utils?|common|misc|lib)\.ts$/.test(path)),
    ).toEqual([])
  })

  test('a file that nears 400 lines asks to be split', () => {
    const long = [...core, ...sdk, ...plugins].filter(({ lines }) => lines > 400)
    expect(long.map(({ path, lines }) => `${path}: ${lines}`)).toEqual([])
  })
})

function everyoneWho(name: string): string[] {
  return [...core, ...sdk, ...plugins]
    .filter((source) => !isTest(source) && source.imports.some((specifier) => packageOf(specifier) === name))
    .map(({ path }) => path)
}

function packageOf(specifier: string): string {
  const parts = specifier.split('/')
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}
