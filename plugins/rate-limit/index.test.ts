import { modes, type PluginUnderTest, testPlugin } from 'postern/testing'
import { afterEach, describe, expect, test } from 'vitest'

const file = new URL('./index.ts', import.meta.url)

describe.each(modes)('rate-limit in %s', (mode) => {
  const open: PluginUnderTest[] = []
  afterEach(async () => {
    for (const plugin of open.splice(0)) await plugin.close()
  })

  async function limit(options: unknown): Promise<PluginUnderTest> {
    const plugin = await testPlugin(file, options, { mode })
    open.push(plugin)
    return plugin
  }

  const statuses = async (plugin: PluginUnderTest, flows: readonly object[]): Promise<(number | undefined)[]> => {
    const seen: (number | undefined)[] = []
    for (const flow of flows) seen.push((await plugin.run('onRequest', flow)).reply?.status)
    return seen
  }

  test('the budget is used up by one client and whole for another', async () => {
    const plugin = await limit({ points: 2 })
    const one = { client: { ip: '192.0.2.1' } }
    const other = { client: { ip: '192.0.2.2' } }
    expect(await statuses(plugin, [one, one, one, other, one])).toEqual([undefined, undefined, 429, undefined, 429])
  })

  test('tells the client what is left', async () => {
    const plugin = await limit({ points: 100 })
    const flow = { client: { ip: '192.0.2.1' } }
    await plugin.run('onRequest', flow)
    const { responseHeaders } = await plugin.run('onRequest', flow)
    const fields = new Map(responseHeaders)
    expect(parse(fields.get('ratelimit'))).toEqual({ r: 98, t: expect.any(Number) })
    expect(parse(fields.get('ratelimit-policy'))).toEqual({ q: 100, w: 60 })
  })

  test('tells a refused client when to come back', async () => {
    const plugin = await limit({ points: 1, duration: '10s' })
    const flow = { client: { ip: '192.0.2.1' } }
    await plugin.run('onRequest', flow)
    const { reply, responseHeaders } = await plugin.run('onRequest', flow)
    const fields = new Map(responseHeaders)
    const { r, t = 0 } = parse(fields.get('ratelimit'))
    expect(r).toBe(0)
    expect(t).toBeGreaterThanOrEqual(1)
    expect(t).toBeLessThanOrEqual(10)
    expect(reply?.headers['retry-after']).toBe(`${t}`)
    expect(parse(fields.get('ratelimit-policy'))).toEqual({ q: 1, w: 10 })
    expect(JSON.parse(reply?.body ?? '')).toMatchObject({ title: 'rate limited', status: 429 })
  })

  test.each([
    ['30s', 30],
    ['1m', 60],
    ['2h', 7_200],
    ['1d', 86_400],
  ])('a window of %s is %i seconds', async (duration, w) => {
    const plugin = await limit({ points: 1, duration })
    const { responseHeaders } = await plugin.run('onRequest', { client: { ip: '192.0.2.1' } })
    expect(parse(new Map(responseHeaders).get('ratelimit-policy'))).toEqual({ q: 1, w })
  })

  test('consumers have budgets of their own, whatever their address', async () => {
    const plugin = await limit({ points: 1, key: 'consumer' })
    const alice = { client: { ip: '192.0.2.1' }, request: { consumer: 'alice' } }
    const bob = { client: { ip: '192.0.2.1' }, request: { consumer: 'bob' } }
    const aliceAtHome = { client: { ip: '198.51.100.1' }, request: { consumer: 'alice' } }
    const nobody = { client: { ip: '192.0.2.1' } }
    expect(await statuses(plugin, [alice, bob, aliceAtHome, nobody, nobody])).toEqual([
      undefined,
      undefined,
      429,
      undefined,
      429,
    ])
  })

  test('a header value that looks like an address does not use up the budget of that address', async () => {
    const plugin = await limit({ points: 1, key: 'header:X-Device' })
    const device = (value: string) => ({ client: { ip: '198.51.100.1' }, request: { headers: { 'x-device': value } } })
    const plain = { client: { ip: '192.0.2.1' } }
    expect(await statuses(plugin, [device('192.0.2.1'), device('client.ip 192.0.2.1'), plain, plain])).toEqual([
      undefined,
      undefined,
      undefined,
      429,
    ])
  })

  test('long header values that differ at the end have budgets of their own', async () => {
    const plugin = await limit({ points: 1, key: 'header:authorization' })
    const flow = (end: string) => ({ request: { headers: { authorization: `Bearer ${'x'.repeat(2_000)}${end}` } } })
    expect(await statuses(plugin, [flow('a'), flow('b'), flow('a')])).toEqual([undefined, undefined, 429])
  })

  test('a request can cost more than one', async () => {
    const plugin = await limit({ points: 5, cost: 2 })
    const flow = { client: { ip: '192.0.2.1' } }
    expect(await statuses(plugin, [flow, flow, flow])).toEqual([undefined, undefined, 429])
  })

  test('reads no more than its key needs', async () => {
    expect((await limit({ points: 1 })).scopes.reads).toEqual(['client.ip'])
    expect((await limit({ points: 1, key: 'header:X-Device' })).scopes.reads).toEqual(['client.ip', 'header:x-device'])
  })

  test.each([
    [{}, /points/],
    [{ points: 0 }, /points/],
    [{ points: 5, duration: '1 minute' }, /duration/],
    [{ points: 5, duration: '0s' }, /duration/],
    [{ points: 5, duration: '25d' }, /"duration" 25d is too long/],
    [{ points: 5, key: 'header:' }, /key/],
    [{ points: 5, key: 'cookie:id' }, /key/],
    [{ points: 5, cost: 6 }, /"cost" 6 is more than "points" 5/],
  ])('%j is refused when the policy is loaded', async (options, problem) => {
    await expect(testPlugin(file, options, { mode })).rejects.toThrow(problem)
  })
})

/** A structured field list of one string item with integer parameters. */
function parse(field: string | undefined): Record<string, number> {
  expect(field).toMatch(/^"default"(;[a-z]+=[0-9]+)+$/)
  const parameters = (field ?? '').split(';').slice(1)
  return Object.fromEntries(parameters.map((parameter) => parameter.split('=')).map(([k, v]) => [k, Number(v)]))
}
