import fc from 'fast-check'
import { modes, type PluginUnderTest, testPlugin } from 'postern/testing'
import { afterEach, describe, expect, test } from 'vitest'

const file = new URL('./index.ts', import.meta.url)

describe.each(modes)('header-route in %s', (mode) => {
  const open: PluginUnderTest[] = []
  afterEach(async () => {
    for (const plugin of open.splice(0)) await plugin.close()
  })

  async function route(options: unknown): Promise<PluginUnderTest> {
    const plugin = await testPlugin(file, options, { mode })
    open.push(plugin)
    return plugin
  }

  async function upstream(plugin: PluginUnderTest, headers: Record<string, string>, ip = '192.0.2.1') {
    return (await plugin.run('onRequest', { client: { ip }, request: { headers } })).upstream
  }

  /** Which of a thousand clients, or requests of one, are moved to `beta`. */
  async function moved(plugin: PluginUnderTest, ip: (n: number) => string): Promise<Set<number>> {
    const numbers = new Set<number>()
    for (let n = 0; n < 1_000; n++) if ((await upstream(plugin, {}, ip(n))) === 'beta') numbers.add(n)
    return numbers
  }

  const address = (n: number) => `10.0.${n >> 8}.${n & 255}`

  test('the first rule that matches decides', async () => {
    const plugin = await route({
      rules: [
        { header: 'X-Beta', equals: '1', upstream: 'beta' },
        { header: 'x-beta', upstream: 'alpha' },
        { cookie: 'tester', upstream: 'beta' },
        { cookie: 'group', equals: 'b', upstream: 'gamma' },
      ],
    })
    expect(await upstream(plugin, { 'x-beta': '1' })).toBe('beta')
    expect(await upstream(plugin, { 'x-beta': '2' })).toBe('alpha')
    expect(await upstream(plugin, { 'x-beta': '' })).toBe('alpha')
    expect(await upstream(plugin, { cookie: 'tester=; group=b' })).toBe('beta')
    expect(await upstream(plugin, { cookie: 'group=b' })).toBe('gamma')
    expect(await upstream(plugin, { cookie: 'group=a' })).toBeUndefined()
    expect(await upstream(plugin, {})).toBeUndefined()
  })

  test('a rule without conditions takes what is left', async () => {
    const plugin = await route({ rules: [{ header: 'x-beta', upstream: 'beta' }, { upstream: 'rest' }] })
    expect(await upstream(plugin, {})).toBe('rest')
  })

  test('no percent is nobody', async () => {
    const plugin = await route({ rules: [{ header: 'x-beta', percent: 0, upstream: 'beta' }], by: 'client.ip' })
    for (let n = 0; n < 50; n++) expect(await upstream(plugin, { 'x-beta': '1' }, address(n))).toBeUndefined()
  })

  test('ten percent by chance are about ten in a hundred', async () => {
    const plugin = await route({ rules: [{ percent: 10, upstream: 'beta' }] })
    const { size } = await moved(plugin, () => '192.0.2.1')
    // Seven standard deviations: fails by chance once in 10^11 runs.
    expect(size).toBeGreaterThan(33)
    expect(size).toBeLessThan(167)
  })

  test('ten percent by address are about ten in a hundred, and all of twenty percent hold them', async () => {
    const ten = await moved(await route({ rules: [{ percent: 10, upstream: 'beta' }], by: 'client.ip' }), address)
    const twenty = await moved(await route({ rules: [{ percent: 20, upstream: 'beta' }], by: 'client.ip' }), address)
    expect(ten.size).toBeGreaterThan(70)
    expect(ten.size).toBeLessThan(130)
    expect(twenty.size).toBeGreaterThan(160)
    expect(twenty.size).toBeLessThan(240)
    expect(ten.isSubsetOf(twenty)).toBe(true)
  })

  test('what one rule leaves falls evenly on the next', async () => {
    const rules = [
      { percent: 50, upstream: 'alpha' },
      { percent: 50, upstream: 'beta' },
    ]
    const { size } = await moved(await route({ rules, by: 'client.ip' }), address)
    expect(size).toBeGreaterThan(200)
    expect(size).toBeLessThan(300)
  })

  test('a client stays on one side, after a restart too', async () => {
    const options = { rules: [{ percent: 50, upstream: 'beta' }], by: 'cookie:id' }
    const one = await route(options)
    const other = await route(options)
    await fc.assert(
      fc.asyncProperty(fc.stringMatching(/^[a-z0-9]{1,20}$/), fc.ipV4(), fc.ipV4(), async (id, here, there) => {
        const cookie = `id=${id}`
        expect(await upstream(one, { cookie }, here)).toBe(await upstream(other, { cookie }, there))
        expect(await upstream(one, {}, here)).toBe(await upstream(other, {}, here))
      }),
      { numRuns: 50 },
    )
  })

  test('the share is taken of what matches', async () => {
    const plugin = await route({ rules: [{ header: 'x-beta', percent: 50, upstream: 'beta' }], by: 'header:x-user' })
    const seen = new Set<string | undefined>()
    for (let n = 0; n < 50; n++) {
      seen.add(await upstream(plugin, { 'x-beta': '1', 'x-user': `user ${n}` }))
      expect(await upstream(plugin, { 'x-user': `user ${n}` })).toBeUndefined()
    }
    expect(seen).toEqual(new Set(['beta', undefined]))
  })

  test('reads what its rules name', async () => {
    const rules = [
      { header: 'X-Beta', upstream: 'beta' },
      { cookie: 'Group', upstream: 'beta' },
    ]
    const { scopes } = await route({ rules, by: 'header:X-User' })
    expect([...scopes.reads].sort()).toEqual(['client.ip', 'cookie:Group', 'header:x-beta', 'header:x-user'])
    expect(scopes.writes).toEqual(['upstream'])
  })

  test.each([
    [{}, /rules/],
    [{ rules: [] }, /rules/],
    [{ rules: [{ header: 'x-beta' }] }, /upstream/],
    [{ rules: [{ percent: 101, upstream: 'beta' }] }, /percent/],
    [{ rules: [{ header: 'x beta', upstream: 'beta' }] }, /header/],
    [{ rules: [{ header: 'a', cookie: 'b', upstream: 'beta' }] }, /rules\[0\]: give "header" or "cookie", not both/],
    [{ rules: [{ equals: '1', upstream: 'beta' }] }, /rules\[0\]: give "header" or "cookie" to "equals"/],
    [{ rules: [{ percent: 10, upstream: 'beta' }], by: 'consumer' }, /by/],
  ])('%j is refused when the policy is loaded', async (options, problem) => {
    await expect(testPlugin(file, options, { mode })).rejects.toThrow(problem)
  })
})
