import { expect, test } from 'vitest'
import { Fields } from '../../core/http/fields.ts'
import { screenUnderscores } from '../../core/http/underscores.ts'
import { echoBackend } from '../helpers/backend.ts'
import { send } from '../helpers/client.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'

const none = (): boolean => false

test('without underscores nothing happens', () => {
  const fields = new Fields(['a', '1', 'x-b', '2', 'a', '3'])
  expect(screenUnderscores(fields, 'drop', none)).toBeUndefined()
  expect(fields.list).toEqual(['a', '1', 'x-b', '2', 'a', '3'])
})

test.each([
  ['refuse', ['a', '1', 'b_c', '2']],
  ['drop', ['a', '1']],
  ['pass', ['a', '1', 'b_c', '2']],
] as const)('%s', (what, left) => {
  const fields = new Fields(['x_real_ip', '6', 'a', '1', 'b_c', '2', 'x-real_ip', '6'])
  const problem = screenUnderscores(fields, what, none)
  expect(fields.list).toEqual(left)
  if (what === 'refuse') expect(problem).toMatch(/"b_c".*set "underscores" of the listener to "pass" or "drop"/)
  else expect(problem).toBeUndefined()
})

const plugin = `import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'user',
  writes: ['header:x-user', 'header:x-admin'],
  onRequest({ request }) {
    request.removeHeader('x-admin')
  },
})
`

test('what a policy reads by name, or a route matches, cannot be said with underscores either', async () => {
  const backend = await echoBackend()
  const reader = `import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'reader', reads: ['header:x-user', 'header:*'], when: { headers: ['x-debug'] }, onRequest() {},
})
`
  const { port } = await startInProcess(
    httpConfig([backend.port], {
      routes: {
        all: { policies: ['reader'] },
        beta: { listener: 'web', match: { headers: { 'X-Beta': '1' } }, upstream: 'app' },
      },
      policies: { reader: { plugin: 'reader' } },
    }),
    { 'plugins/reader/index.ts': reader },
  )
  const headers = { x_user: '1', x_debug: '1', x_beta: '1', x_other: '1', api_key: '1' }
  const seen = (await send(port('web'), '/', { headers })).json<{ headers: Record<string, string> }>()
  expect(Object.keys(seen.headers).filter((name) => name.includes('_'))).toEqual(['x_other', 'api_key'])
})

test('what a policy may write cannot be said by a client with underscores', async () => {
  const backend = await echoBackend()
  const config = httpConfig([backend.port], {
    listeners: { web: { underscores: 'pass' } },
    routes: {
      all: { policies: ['user'] },
      free: { listener: 'web', match: { path: '/free' }, upstream: 'app' },
    },
    policies: { user: { plugin: 'user' } },
  })
  const { port } = await startInProcess(config, { 'plugins/user/index.ts': plugin })
  const names = async (path: string): Promise<string[]> => {
    const headers = { x_user: 'root', x_admin: '1', x_other: '1', 'x-admin': '1' }
    const seen = (await send(port('web'), path, { headers })).json<{ headers: Record<string, string> }>()
    return Object.keys(seen.headers).filter((name) => /^x[-_](user|admin|other)/.test(name))
  }
  expect(await names('/')).toEqual(['x_other'])
  // Of all the policies that a request of the listener can meet: one that routes by a header could change the chain.
  expect((await names('/free')).sort()).toEqual(['x-admin', 'x_other'])
})
