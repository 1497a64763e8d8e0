import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isPublicAddress } from '../../core/grants/outbound.ts'

test.each([
  '1.1.1.1',
  '8.8.8.8',
  '93.184.216.34',
  '172.15.0.1',
  '172.32.0.1',
  '2606:4700:4700::1111',
  '2a00:1450:4001:80b::200e',
])('%s is public', (address) => {
  expect(isPublicAddress(address)).toBe(true)
})

test.each([
  ['private', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fc00::1', 'fd00:ec2::254'],
  ['loopback', '127.0.0.1', '127.255.255.254', '::1'],
  ['link-local, metadata', '169.254.169.254', 'fe80::1', 'fe80::1%eth0', '168.63.129.16', '100.100.100.200'],
  ['unspecified', '0.0.0.0', '0.1.2.3', '::'],
  ['shared', '100.64.0.1', '100.127.255.255'],
  ['multicast, broadcast', '224.0.0.1', '239.255.255.255', 'ff02::1', '255.255.255.255'],
  ['mapped, translated', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '::127.0.0.1', '64:ff9b::a00:1', '64:ff9b:1::1'],
  ['tunnels', '2002:7f00:1::', '2001:0:1::1'],
  ['reserved', '192.0.2.1', '198.18.0.1', '203.0.113.1', '240.0.0.1', '2001:db8::1', 'fec0::1', '100::1', '4000::1'],
  ['no address', '', 'example.com', '1.2.3', '0x7f.1', '::g'],
])('%s', (_, ...addresses) => {
  expect(addresses.filter(isPublicAddress)).toEqual([])
})

test('no address of a private range is public', () => {
  const octet = fc.integer({ min: 0, max: 255 })
  fc.assert(
    fc.property(octet, octet, octet, (a, b, c) => {
      for (const address of [`10.${a}.${b}.${c}`, `127.${a}.${b}.${c}`, `192.168.${a}.${b}`, `169.254.${a}.${b}`]) {
        expect(isPublicAddress(address)).toBe(false)
        expect(isPublicAddress(`::ffff:${address}`)).toBe(false)
      }
    }),
  )
})
