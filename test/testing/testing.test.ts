import { modes, type PluginUnderTest, testPlugin } from 'postern/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { fixture } from '../sandbox/harness.ts'

describe.each(modes)('testPlugin in %s', (mode) => {
  let plugin: PluginUnderTest
  afterEach(() => plugin?.close())

  const open = async (name: string, options: unknown = {}, layer: 'L4' | 'L7' = 'L7'): Promise<PluginUnderTest> => {
    plugin = await testPlugin(fixture(name), options, { mode, layer })
    return plugin
  }

  test('a hook with grants, from the first take to the last', async () => {
    await open('budget')
    const flow = { client: { ip: '192.0.2.9' }, request: { path: '/a' } }
    const left = []
    for (let i = 0; i < 3; i++) left.push((await plugin.run('onRequest', flow)).requestHeaders['x-left'])
    expect(left).toEqual(['2', '1', '0'])
    expect(await plugin.run('onRequest', flow)).toMatchObject({
      reply: { status: 429, reason: 'over the limit', headers: { 'retry-after': '60' } },
      requestHeaders: {},
    })
  })

  test('what a grant refuses is thrown in the hook', async () => {
    await open('budget')
    await expect(plugin.run('onResponse')).rejects.toThrow('GrantError: counter.take: points must be a whole number')
  })

  test('only declared fields reach the hook', async () => {
    await open('probe', { keys: { k: 'v' } })
    const { requestHeaders } = await plugin.run('onRequest', {
      request: {
        method: 'POST',
        path: '/p',
        query: 'a=1&b=2',
        headers: { 'X-Known': 'k', 'x-other': 'o', cookie: 'c=3; d=4' },
      },
    })
    expect(JSON.parse(requestHeaders['x-found']!)).toMatchObject({
      present: ['/p', 'k', '1', '3'],
      absent: Array(6).fill('(absent)'),
      constructor: '(absent)',
    })
  })

  test('a write that is not declared fails the hook', async () => {
    await open('wrong')
    await expect(plugin.run('onRequest', { request: { path: '/undeclared' } })).rejects.toThrow(
      "declare writes: ['header:x-undeclared']",
    )
    await expect(plugin.run('onRequest', { request: { path: '/x' } })).rejects.toThrow('no such path: /x')
  })

  test('headers prepared for the response are in the result, and checked like all others', async () => {
    await open('preparing/ahead', { label: 'a', changes: ['set X-A 1', 'append set-cookie c=1', 'remove x-b'] })
    const { responseHeaders, removedResponseHeaders } = await plugin.run('onRequest')
    expect(responseHeaders).toEqual([
      ['x-a', '1'],
      ['set-cookie', 'c=1'],
    ])
    expect(removedResponseHeaders).toEqual(['x-b'])
    plugin.close()
    await expect(open('preparing/ahead', { label: 'a', changes: ['set host 1'] })).rejects.toThrow(
      'belongs to the gateway',
    )
    await open('preparing/ahead', { label: 'a', act: 'read' })
    await expect(plugin.run('onRequest')).rejects.toThrow('response.status: there is no response yet in onRequest')
  })

  test('selectBackend returns one of the backends, synchronously', async () => {
    await open('wrong', {}, 'L4')
    const backends = [{ id: 'a' }, { id: 'b' }]
    await expect(plugin.run('selectBackend', { backends, state: 'copy' })).rejects.toThrow(
      'must return one of `backends`',
    )
    await expect(plugin.run('selectBackend', { backends })).rejects.toThrow('selectBackend must not wait')
    await expect(plugin.run('onRequest')).rejects.toThrow('onRequest does not run on L4')
  })

  test('options are checked, defaults filled in', async () => {
    await expect(open('probe', { kees: {} })).rejects.toThrow('options.kees: there is no field "kees" here')
    await open('tamper')
    expect(plugin.scopes).toEqual({ reads: ['path'], writes: ['header:x-seen'] })
    expect((await open('every')).manifest.hooks).toHaveLength(5)
  })

  test('every hook sees what it declared', async () => {
    await open('every', { upstream: 'blue' })
    const backend = { id: 'b1', address: 'b:80', weight: 2, active: 3, draining: false, labels: { zone: 'a' } }
    const flow = {
      client: { ip: '198.51.100.1', port: undefined },
      peer: { ip: '203.0.113.1' },
      local: { port: 443 },
      listener: 'l',
      route: 'r',
      upstream: 'u',
      request: {
        method: 'PUT',
        scheme: 'https',
        host: 'h.example',
        path: '/p',
        query: 'a=%20b&c',
        id: 'id1',
        consumer: 'ann',
        headers: { 'x-a': '1', cookie: 'k="v"' },
      },
      response: { status: 404, headers: { 'x-b': '2' } },
      backends: [{ id: 'b0' }, backend],
      backend,
      outcome: 'UT',
      state: 'before',
    }
    const request = await plugin.run('onRequest', flow)
    expect(JSON.parse(request.state!)).toEqual([
      ['198.51.100.1', null, '203.0.113.1', 443, 'l', 'r', 'u', 'before', 'L7'],
      ['PUT', 'https', 'h.example', '/p', 'a=%20b&c', 'id1', 'ann', '1', 'v', ' b', ''],
      [
        ['x-a', '1'],
        ['cookie', 'k="v"'],
      ],
    ])
    expect(request).toMatchObject({
      upstream: 'blue',
      consumer: 'bob',
      requestHeaders: { 'x-c': '3' },
      removedRequestHeaders: ['x-d'],
    })
    expect((await plugin.run('selectBackend', flow)).backend).toBe('b1')
    const response = await plugin.run('onResponse', flow)
    expect(response.responseHeaders).toEqual([
      ['x-seen', JSON.stringify([404, '2', [['x-b', '2']], backend])],
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ])
    expect(response.removedResponseHeaders).toEqual(['x-b'])
    await expect(plugin.run('onClose', flow)).rejects.toThrow(JSON.stringify([404, 'UT', backend]))
    const { reply } = await plugin.run('onConnect', flow)
    expect(reply).toEqual({ status: 403, headers: {}, body: '', reason: '' })
  })
})

test('in an isolate a hook is held to its time', async () => {
  const plugin = await testPlugin(new URL(`file:${fixture('hostile')}`), {})
  await expect(plugin.run('onRequest', { request: { path: '/loop' } })).rejects.toThrow(
    'PT: the hook took more than 20 ms',
  )
  plugin.close()
})
