import { createHmac } from 'node:crypto'
import { modes, type PluginUnderTest, testPlugin } from 'postern/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const file = new URL('./index.ts', import.meta.url)
const secret = 'a secret of many letters'
const backends = ['0123456789abcdef', 'fedcba9876543210', '00112233445566aa'].map((id, index) => ({
  id,
  address: `10.0.0.${index}:80`,
  weight: 1,
  active: 0,
}))
const [first, second, third] = backends as [Backend, Backend, Backend]
type Backend = (typeof backends)[number]

function signed(id: string, key: string = secret): string {
  return `${id}.${createHmac('sha256', key).update(id).digest('base64url')}`
}

describe.each(modes)('sticky-cookie in %s', (mode) => {
  let plugin: PluginUnderTest
  beforeEach(async () => {
    plugin = await testPlugin(file, { secret }, { mode })
  })
  afterEach(() => plugin.close())

  async function remembered(cookie: string): Promise<string | undefined> {
    return (await plugin.run('onRequest', { request: { headers: { cookie } } })).state
  }

  test('the first answer sets the cookie', async () => {
    const { state } = await plugin.run('onRequest', {})
    const chosen = await plugin.run('selectBackend', { backends, state })
    expect(chosen.backend).toBeUndefined()
    const { responseHeaders } = await plugin.run('onResponse', { response: { status: 200 }, backend: second, state })
    const cookie = `postern_sticky=${signed(second.id)}; Path=/; Secure; HttpOnly; SameSite=Lax`
    expect(responseHeaders).toEqual([['set-cookie', cookie]])
  })

  test('the cookie leads back to its backend and is not set again', async () => {
    const state = await remembered(`theme=dark; postern_sticky=${signed(second.id)}`)
    expect((await plugin.run('selectBackend', { backends, state })).backend).toBe(second.id)
    const { responseHeaders } = await plugin.run('onResponse', { response: { status: 200 }, backend: second, state })
    expect(responseHeaders).toEqual([])
  })

  test('when its backend is gone the balance decides and the cookie moves', async () => {
    const state = await remembered(`postern_sticky=${signed(second.id)}`)
    expect((await plugin.run('selectBackend', { backends: [first, third], state })).backend).toBeUndefined()
    const { responseHeaders } = await plugin.run('onResponse', { response: { status: 200 }, backend: third, state })
    expect(responseHeaders[0]?.[1]).toContain(signed(third.id))
  })

  test('a backend that drains keeps its clients, and the cookie is not set again', async () => {
    const state = await remembered(`postern_sticky=${signed(second.id)}`)
    const offered = [first, { ...second, draining: true }]
    expect((await plugin.run('selectBackend', { backends: offered, state })).backend).toBe(second.id)
    expect((await plugin.run('selectBackend', { backends: offered })).backend).toBeUndefined()
  })

  test('an answer made by the gateway sets none', async () => {
    expect((await plugin.run('onResponse', { response: { status: 503 } })).responseHeaders).toEqual([])
  })

  test.each([
    ['another secret', signed(second.id, 'some other long secret')],
    ['another backend', signed(second.id).replace(second.id, first.id)],
    ['no signature', second.id],
    ['an empty signature', `${second.id}.`],
    ['a part too many', `${signed(second.id)}.more`],
    ['a cut signature', signed(second.id).slice(0, -1)],
    ['nothing', ''],
    ['a name that objects answer to', 'constructor.constructor'],
  ])('a cookie with %s is ignored', async (_, value) => {
    expect(await remembered(`postern_sticky=${value}`)).toBeUndefined()
  })

  test('every attribute can be chosen', async () => {
    const options = { secret, cookie: '__Secure-node', maxAge: 3_600, path: '/app', sameSite: 'Strict' }
    const other = await testPlugin(file, options, { mode })
    const { responseHeaders } = await other.run('onResponse', { response: { status: 200 }, backend: first })
    const cookie = `__Secure-node=${signed(first.id)}; Path=/app; Max-Age=3600; Secure; HttpOnly; SameSite=Strict`
    expect(responseHeaders).toEqual([['set-cookie', cookie]])
    expect(other.scopes.reads).toContain('cookie:__Secure-node')
    await other.close()
  })

  test('without "secure" it also serves plain http', async () => {
    const other = await testPlugin(file, { secret, secure: false }, { mode })
    const { responseHeaders } = await other.run('onResponse', { response: { status: 200 }, backend: first })
    expect(responseHeaders[0]?.[1]).toMatch(/; Path=\/; HttpOnly; SameSite=Lax$/)
    await other.close()
  })

  test.each([
    [{}, /secret/],
    [{ secret: 'short' }, /secret/],
    [{ secret, cookie: 'a=b' }, /cookie/],
    [{ secret, path: '/; Domain=example.com' }, /path/],
    [{ secret, maxAge: 0 }, /maxAge/],
    [{ secret, sameSite: 'None', secure: false }, /"sameSite": "None" without "secure"/],
  ])('%j is refused when the policy is loaded', async (options, problem) => {
    await expect(testPlugin(file, options, { mode })).rejects.toThrow(problem)
  })
})
