import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import { openInspector } from '../../core/sandbox/inspect.ts'
import { PluginBuildError, problemText } from '../../core/sandbox/plugin-build-error.ts'
import cases from '../cases/sandbox/builds.json' with { type: 'json' }
import { fixture } from './harness.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-bundle-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function problemOf(source: string): Promise<PluginBuildError> {
  const file = join(folder, 'plugin.ts')
  writeFileSync(file, source)
  const error: unknown = await bundlePlugin({ file: file, publisher: 'local' }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(PluginBuildError)
  return error as PluginBuildError
}

test.each(cases)('$name', async ({ source, problems }) => {
  const file = relative(process.cwd(), join(folder, 'plugin.ts'))
  expect((await problemOf(source.join('\n'))).problems.map(problemText)).toEqual(
    problems.map((problem) => `${file}:${problem}`),
  )
})

test('a proper plugin says what it is', async () => {
  const code = await bundlePlugin({ file: fixture('budget'), publisher: 'postern' })
  expect(code).toMatchObject({ name: 'budget', publisher: 'postern', file: fixture('budget') })
  expect(code.manifest).toEqual({
    name: 'budget',
    description: '',
    options: undefined,
    needs: ['counter', 'digest'],
    hooks: ['onRequest', 'onResponse'],
    answers: false,
  })
  expect(code.hash).toMatch(/^[0-9a-f]{64}$/)
  expect(await bundlePlugin({ file: fixture('budget'), publisher: 'postern' })).toBe(code)
})

test('scopes are evaluated with the options, and their errors are reported', async () => {
  const file = join(folder, 'scopes.ts')
  writeFileSync(
    file,
    `import { definePlugin } from 'postern/sdk'
    export default definePlugin({
      name: 'scopes',
      reads: (options) => {
        if (options.bad === 1) throw new Error('bad option')
        while (options.bad === 2);
        return options.bad === 3 ? 'path' : ['header:' + options.header]
      },
      writes: ['consumer'],
      onRequest() {},
    })`,
  )
  const code = await bundlePlugin({ file: file, publisher: 'local' })
  const inspector = openInspector(code.script, code)
  expect(inspector.scopes({ header: 'x-key' })).toEqual({ reads: ['header:x-key'], writes: ['consumer'] })
  const shown = relative(process.cwd(), file)
  expect(() => inspector.scopes({ bad: 1 })).toThrow(`${shown}:5:38: Error: bad option`)
  expect(() => inspector.scopes({ bad: 3 })).toThrow('reads must be a list of scopes')
  expect(() => inspector.scopes({ bad: 2 })).toThrow(`${shown}:1:1: evaluating reads and writes took more than 250 ms`)
  inspector.close()
})

test.each([
  [
    'declarations',
    `JSON.stringify = () => '"' + 'x'.repeat(5_000_000) + '"'`,
    "the plugin's declarations have more than",
  ],
  ['scopes', '', 'reads, writes and when have more than'],
])('%s have a bound, whatever the realm of the plugin says', async (_, forged, problem) => {
  const file = join(folder, 'plugin.ts')
  const reads = "reads: () => ['header:' + 'x'.repeat(5_000_000)]"
  writeFileSync(file, `${forged}\nexport default { name: 'forging', ${reads}, onRequest() {} }`)
  const evaluated = bundlePlugin({ file, publisher: 'local' }).then((code) => {
    const inspector = openInspector(code.script, code)
    onTestFinished(() => inspector.close())
    return inspector.scopes({})
  })
  await expect(evaluated).rejects.toThrow(problem)
})
