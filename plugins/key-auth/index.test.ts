import { modes, type PluginUnderTest, testPlugin } from 'postern/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const file = new URL('./index.ts', import.meta.url)
const keys = { 'key-of-alice': 'alice', 'key-of-bob': 'bob' }

describe.each(modes)('key-auth in %s', (mode) => {
  let plugin: PluginUnderTest
  beforeEach(async () => {
    plugin = await testPlugin(file, { keys }, { mode })
  })
  afterEach(() => plugin.close())

  test('a known key names the consumer', async () => {
    const result = await plugin.run('onRequest', { request: { headers: { 'x-api-key': 'key-of-bob' } } })
    expect(result.reply).toBeUndefined()
    expect(result.consumer).toBe('bob')
    expect(result.requestHeaders['x-consumer']).toBe('bob')
  })

  test('the key does not go upstream', async () => {
    const result = await plugin.run('onRequest', { request: { headers: { 'x-api-key': 'key-of-bob' } } })
    expect(result.removedRequestHeaders).toEqual(['x-api-key'])
    expect(plugin.scopes.writes).toContain('header:x-api-key')
  })

  test.each(['key-of-carol', 'KEY-OF-BOB', 'key-of-alice, key-of-bob', ''])('key %j is unknown', async (key) => {
    const result = await plugin.run('onRequest', { request: { headers: { 'x-api-key': key } } })
    expect(result.reply?.status).toBe(401)
    expect(result.consumer).toBeUndefined()
  })

  test.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])('key %s is nobody’s', async (key) => {
    const result = await plugin.run('onRequest', { request: { headers: { 'x-api-key': key } } })
    expect(result.reply?.status).toBe(401)
  })

  test('the refusal is a problem document with a challenge', async () => {
    const { reply } = await plugin.run('onRequest', {})
    expect(reply?.headers).toEqual({ 'content-type': 'application/problem+json', 'www-authenticate': 'ApiKey' })
    expect(JSON.parse(reply?.body ?? '')).toEqual({ title: 'API key missing', status: 401 })
  })

  test('a consumer that the client claims to be is overwritten', async () => {
    const headers = { 'x-api-key': 'key-of-bob', 'x-consumer': 'alice' }
    const result = await plugin.run('onRequest', { request: { headers } })
    expect(result.requestHeaders['x-consumer']).toBe('bob')
    expect((await plugin.run('onRequest', { request: { headers: { 'x-consumer': 'alice' } } })).reply?.status).toBe(401)
  })

  test('header and visibility of the key can be chosen', async () => {
    const other = await testPlugin(file, { keys, header: 'X-Partner', hide: false }, { mode })
    const result = await other.run('onRequest', { request: { headers: { 'x-partner': 'key-of-alice' } } })
    expect(result.consumer).toBe('alice')
    expect(result.removedRequestHeaders).toEqual([])
    expect([...other.scopes.writes].sort()).toEqual(['consumer', 'header:x-consumer'])
    await other.close()
  })

  describe('a CORS preflight', () => {
    const headers = {
      origin: 'https://app.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'x-api-key',
      'x-consumer': 'alice',
    }
    const preflight = { method: 'OPTIONS', headers }

    test('needs a key like any other request, unless told otherwise', async () => {
      expect((await plugin.run('onRequest', { request: preflight })).reply?.status).toBe(401)
      expect(plugin.scopes.reads).toEqual(['header:x-api-key'])
    })

    test('passes where it is told to, as nobody', async () => {
      const other = await testPlugin(file, { keys, preflight: 'pass' }, { mode })
      const result = await other.run('onRequest', { request: preflight })
      expect([result.reply, result.consumer]).toEqual([undefined, undefined])
      expect(result.removedRequestHeaders).toEqual(['x-consumer'])
      await other.close()
    })

    test.each([
      ['GET', headers],
      ['options', headers],
      ['OPTIONS', { origin: headers.origin }],
      ['OPTIONS', { 'access-control-request-method': 'POST' }],
      ['OPTIONS', { ...headers, origin: '' }],
    ])('is exactly what browsers send: %s with %j is refused', async (method, sent) => {
      const other = await testPlugin(file, { keys, preflight: 'pass' }, { mode })
      expect((await other.run('onRequest', { request: { method, headers: sent } })).reply?.status).toBe(401)
      await other.close()
    })
  })

  test.each([
    [{}, /keys/],
    [{ keys: {} }, /keys/],
    [{ keys: { '': 'alice' } }, /keys/],
    [{ keys: { 'two, halves': 'alice' } }, /keys/],
    [{ keys: { key: 'alice\r\nx-admin: 1' } }, /key/],
    [{ keys, header: 'x api key' }, /header/],
    [{ keys, hidden: true }, /hidden/],
  ])('%j is refused when the policy is loaded', async (options, problem) => {
    await expect(testPlugin(file, options, { mode })).rejects.toThrow(problem)
  })
})
