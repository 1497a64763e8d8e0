import { BlockList } from 'node:net'
import fc from 'fast-check'
import { modes, testPlugin } from 'postern/testing'
import { describe, expect, test } from 'vitest'

const file = new URL('./index.ts', import.meta.url)

describe.each(modes)('ip-restriction in %s', (mode) => {
  async function passes(options: unknown, ip: string): Promise<boolean> {
    const plugin = await testPlugin(file, options, { mode })
    const { reply } = await plugin.run('onRequest', { client: { ip } })
    await plugin.close()
    return reply === undefined
  }

  test.each([
    [{ allow: ['192.0.2.0/24'] }, '192.0.2.7', true],
    [{ allow: ['192.0.2.0/24'] }, '192.0.3.7', false],
    [{ allow: ['192.0.2.7'] }, '192.0.2.7', true],
    [{ allow: ['192.0.2.7'] }, '192.0.2.8', false],
    [{ deny: ['192.0.2.0/24'] }, '192.0.2.7', false],
    [{ deny: ['192.0.2.0/24'] }, '2001:db8::1', true],
    [{ allow: ['192.0.2.0/24'], deny: ['192.0.2.7'] }, '192.0.2.7', false],
    [{ allow: ['192.0.2.0/24'], deny: ['192.0.2.7'] }, '192.0.2.8', true],
    [{ allow: ['2001:db8::/32'] }, '2001:db8:ffff::1', true],
    [{ allow: ['2001:DB8::/32'] }, '2001:db9::1', false],
    [{ allow: ['::1'] }, '::1', true],
    [{ allow: ['0.0.0.0/0'] }, '::1', false],
    [{ allow: ['::/0'] }, '192.0.2.7', false],
    [{ allow: ['192.0.2.0/24'] }, '::ffff:192.0.2.7', true],
    [{ allow: ['::ffff:192.0.2.0/120'] }, '192.0.2.7', true],
    [{ allow: ['fe80::/10'] }, 'fe80::1%eth0', true],
    [{ deny: ['192.0.2.0/24'] }, 'no address', false],
  ])('%j: %s → %s', async (options, ip, expected) => {
    expect(await passes(options, ip)).toBe(expected)
  })

  test('a refused request gets a problem document', async () => {
    const plugin = await testPlugin(file, { deny: ['192.0.2.7'] }, { mode })
    const { reply } = await plugin.run('onRequest', { client: { ip: '192.0.2.7' } })
    expect(reply?.status).toBe(403)
    expect(JSON.parse(reply?.body ?? '')).toEqual({ title: 'address not allowed', status: 403 })
    await plugin.close()
  })

  test('the status can be chosen', async () => {
    const plugin = await testPlugin(file, { deny: ['192.0.2.7'], status: 404 }, { mode })
    expect((await plugin.run('onRequest', { client: { ip: '192.0.2.7' } })).reply?.status).toBe(404)
    await plugin.close()
  })

  test('judges connections on L4 and leaves those on L7 to the requests', async () => {
    for (const layer of ['L4', 'L7'] as const) {
      const plugin = await testPlugin(file, { allow: ['192.0.2.0/24'] }, { mode, layer })
      expect((await plugin.run('onConnect', { client: { ip: '192.0.2.7' } })).reply).toBeUndefined()
      const { reply } = await plugin.run('onConnect', { client: { ip: '198.51.100.1' } })
      expect(reply?.status).toBe(layer === 'L4' ? 403 : undefined)
      await plugin.close()
    }
  })

  test.each([
    [{}, /allow.*deny/],
    [{ allow: [] }, /allow/],
    [{ allow: ['office'] }, /allow/],
    [{ allow: ['192.0.2.0/33'] }, /"192\.0\.2\.0\/33" is not an address/],
    [{ allow: ['192.0.2.256'] }, /"192\.0\.2\.256" is not an address/],
    [{ allow: ['192.0.2'] }, /"192\.0\.2" is not an address/],
    [{ allow: ['192.0.02.1'] }, /"192\.0\.02\.1" is not an address/],
    [{ deny: ['1::2::3'] }, /"1::2::3" is not an address/],
    [{ deny: ['1:2:3:4:5:6:7'] }, /is not an address/],
    [{ deny: ['1:2:3:4:5:6:7:8::'] }, /is not an address/],
    [{ deny: ['12345::'] }, /is not an address/],
    [{ deny: ['::/129'] }, /is not an address/],
    [{ deny: ['::ffff:0:0/95'] }, /is not an address/],
  ])('%j is refused when the policy is loaded', async (options, problem) => {
    await expect(testPlugin(file, options, { mode })).rejects.toThrow(problem)
  })

  test('finds the same addresses in a list as node:net does', { timeout: 60_000 }, async () => {
    // Few values: ranges and addresses then meet, and runs of zeros are written as `::`.
    const byte = fc.constantFrom(0, 10, 127, 128, 255)
    const v4 = fc.tuple(byte, byte, byte, byte).map((bytes) => bytes.join('.'))
    const v4Range = fc.tuple(v4, fc.integer({ min: 0, max: 32 }))
    // No group `ffff`: IPv4-mapped addresses are IPv4 here, and both in a BlockList.
    const group = fc.constantFrom('0', '0', '1', '8000', 'fffe')
    const v6 = fc.oneof(
      fc.array(group, { minLength: 8, maxLength: 8 }).map((groups) => groups.join(':')),
      fc
        .tuple(fc.array(group, { maxLength: 4 }), fc.array(group, { maxLength: 3 }))
        .map((sides) => sides.map((groups) => groups.join(':')).join('::')),
      v4.map((tail) => `64:ff9b::${tail}`),
    )
    const v6Range = fc.tuple(v6, fc.integer({ min: 0, max: 128 }))
    const addressesOf = (ranges: readonly [string, number][]) => ranges.map(([address]) => address)

    await fc.assert(
      fc.asyncProperty(
        fc.array(v4Range, { minLength: 1, maxLength: 4 }),
        fc.array(v6Range, { minLength: 1, maxLength: 4 }),
        fc.array(v4, { minLength: 8, maxLength: 8 }),
        fc.array(v6, { minLength: 8, maxLength: 8 }),
        async (ranges4, ranges6, addresses4, addresses6) => {
          const four = new BlockList()
          const six = new BlockList()
          for (const [address, prefix] of ranges4) four.addSubnet(address, prefix, 'ipv4')
          for (const [address, prefix] of ranges6) six.addSubnet(address, prefix, 'ipv6')
          const deny = [...ranges4, ...ranges6].map(([address, prefix]) => `${address}/${prefix}`)
          const plugin = await testPlugin(file, { deny }, { mode })
          for (const ip of [...addresses4, ...addressesOf(ranges4)]) {
            const { reply } = await plugin.run('onRequest', { client: { ip } })
            expect([ip, reply !== undefined]).toEqual([ip, four.check(ip, 'ipv4')])
          }
          for (const ip of [...addresses6, ...addressesOf(ranges6)]) {
            const { reply } = await plugin.run('onRequest', { client: { ip } })
            expect([ip, reply !== undefined]).toEqual([ip, six.check(ip, 'ipv6')])
          }
          await plugin.close()
        },
      ),
      { numRuns: mode === 'process' ? 100 : 10 },
    )
  })
})
