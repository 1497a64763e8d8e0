import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createGrantHost } from '../../core/grants/grant-host.ts'
import { grantCall } from './call.ts'

const host = createGrantHost()

async function digest(operation: string, ...args: string[]): Promise<string> {
  const [value] = await host.perform(grantCall(`digest.${operation}`, args))
  return value!
}

test('the vectors of FIPS 180-4 and RFC 4231', async () => {
  expect(await digest('sha256', 'abc')).toBe('ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0')
  const mac = await digest('hmac', 'Jefe', 'what do ya want for nothing?')
  expect(Buffer.from(mac, 'base64url').toString('hex')).toBe(
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  )
})

test('a mac verifies what it was made from, and nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.string(), fc.string(), async (key, text, other) => {
      const mac = await digest('hmac', key, text)
      expect(await digest('verify', key, text, mac)).toBe('1')
      expect(await digest('verify', key, other, mac)).toBe(other === text ? '1' : '')
      for (const wrong of ['', mac.slice(1), `${mac}=`, other])
        expect(await digest('verify', key, text, wrong)).toBe('')
    }),
    { numRuns: 30 },
  )
})

test('random bytes', async () => {
  expect(await digest('random', '16')).toHaveLength(22)
  expect(await digest('random', '16')).not.toBe(await digest('random', '16'))
  for (const bytes of ['0', '257', '1.5', 'x']) {
    await expect(digest('random', bytes)).rejects.toThrow('bytes must be a whole number from 1 to 256')
  }
})

test('what is not there and what is too long is refused', async () => {
  await expect(digest('md5', 'x')).rejects.toThrow('unknown operation')
  await expect(digest('constructor')).rejects.toThrow('unknown operation')
  await expect(digest('sha256', 'x'.repeat(65_537))).rejects.toThrow(
    'an argument has 65537 characters; the limit is 65536',
  )
})
