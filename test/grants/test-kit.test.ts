import { describe, expect, test } from 'vitest'
import { modes, type TestFetchRequest, testPlugin } from '../../core/testing/index.ts'
import { fixture } from '../sandbox/harness.ts'

describe.each(modes)('a stub for fetch in %s', (mode) => {
  const at = (path: string) => ({ request: { path } })

  test('answers what the plugin sends', async () => {
    const asked: TestFetchRequest[] = []
    const plugin = await testPlugin(
      fixture('granted'),
      { url: 'https://id.example.com/a' },
      {
        mode,
        fetch: (request) => {
          asked.push(request)
          return { status: 201, headers: { 'X-Served': 'yes' }, body: { a: 1 } }
        },
      },
    )
    const { requestHeaders } = await plugin.run('onRequest', at('/fetch'))
    expect(JSON.parse(requestHeaders['x-seen']!).slice(0, 3)).toEqual([201, 'yes', '{"a":1}'])
    const headers = { 'x-asked': 'yes', 'accept-encoding': 'identity' }
    expect(asked).toEqual([{ url: 'https://id.example.com/a', method: 'POST', headers, body: 'ping' }])
    plugin.close()
  })

  test('without one nothing is sent', async () => {
    const plugin = await testPlugin(fixture('granted'), { url: 'https://id.example.com/a' }, { mode })
    const { requestHeaders } = await plugin.run('onRequest', at('/fetch'))
    expect(requestHeaders['x-seen']).toContain('https://id.example.com is not listed')
    plugin.close()
  })
})
