import { afterEach, expect, test } from 'vitest'
import { createGrantHost } from '../../core/grants/grant-host.ts'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import { PluginBuildError } from '../../core/sandbox/plugin-build-error.ts'
import { createSandbox } from '../../core/sandbox/sandbox.ts'
import { fixture, type Harness, instanceOf, openHarness } from './harness.ts'

let harness: Harness | undefined
afterEach(() => harness?.sandbox.close())

async function failure(path: string): Promise<string> {
  harness = await openHarness([{ plugin: 'wrong' }])
  const verdict = await harness.run(0, path)
  expect(verdict).toMatchObject({ kind: 'failed', code: 'PE' })
  return (verdict as { message: string }).message
}

test('an error is reported with its positions in the TypeScript source', async () => {
  const lines = (await failure('/x')).split('\n')
  expect(lines[0]).toBe('policy "policy-0" (plugin "wrong"), onRequest, PE: Odd: no such path: /x')
  expect(lines[1]).toMatch(/deeper \(test\/fixtures\/plugins\/wrong\.ts:8:9\)$/)
  expect(lines[2]).toMatch(/onRequest \(test\/fixtures\/plugins\/wrong\.ts:\d+:5\)$/)
  expect(lines).toHaveLength(3)
})

test.each([
  ['/number', 'onRequest must return nothing or a reply, made by `reply()`, not number 42'],
  ['/string', 'onRequest must return nothing or a reply, made by `reply()`, not the string "go on"'],
  ['/object', 'onRequest must return nothing or a reply, made by `reply()`, not an object that is not a reply'],
  ['/state', 'state holds 4096 characters at most, not 4097'],
  ['/value', 'request.setHeader: the value must be a string, not undefined'],
  ['/primitive', 'PE: it threw "a string", which is not an Error'],
  [
    '/thrown-status',
    'PE: it threw an object that is no Error: {"status":404,"why":"gone"}; to refuse, return reply(404)',
  ],
  ['/empty', 'PE: it threw an object that is no Error: {}; to refuse, return reply(403)'],
  ['/reply', 'PE: it threw a reply; to reply, return it: return reply(…)'],
])('%s', async (path, message) => {
  expect(await failure(path)).toContain(message)
})

test('a plugin that does not start is refused when the sandbox is made', async () => {
  const code = await bundlePlugin({ file: fixture('wrong'), publisher: 'local' })
  const script = '__postern.start(() => { throw new Error("not today") })'
  const instance = { ...(await instanceOf('p', { plugin: 'wrong' })), plugin: { ...code, script } }
  const make = (): unknown => createSandbox({ instances: [instance], grants: createGrantHost() })
  expect(make).toThrow(PluginBuildError)
  expect(make).toThrow('Error: not today')
})
