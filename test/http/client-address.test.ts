import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clientOf, compileTrust } from '../../core/http/client-address.ts'
import { Fields } from '../../core/http/fields.ts'
import { normalizeIp, type Peer } from '../../core/net/peer.ts'
import { factsOfHello } from '../../core/tls/tls-facts.ts'

const trust = compileTrust(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::ffff:172.16.0.0/108'])
const inside: Peer = { address: '10.0.0.1', port: 4000, localPort: 80, tls: undefined, via: 'socket' }
const outside: Peer = { ...inside, address: '203.0.113.9' }

test.each([
  ['10.1.2.3', true],
  ['11.0.0.0', false],
  ['192.0.2.7', true],
  ['192.0.2.8', false],
  ['172.31.0.1', true],
  ['172.32.0.1', false],
  ['::ffff:10.1.2.3', true],
  ['::ffff:a01:203', true],
  ['2001:DB8:0::1', true],
  ['2001:db9::1', false],
  ['', false],
  ['10.1.2', false],
])('%s is trusted: %s', (ip, expected) => {
  expect(trust.has(ip)).toBe(expected)
})

test.each([
  '10.0.0.0/33',
  '10.0.0.0/',
  '10.0.0.0/-1',
  '10.0.0.0/8/8',
  'example.com',
  '',
  '::/129',
  '::ffff:10.0.0.0/8',
  'fe80::1%eth0',
])('%s is refused', (cidr) => {
  expect(() => compileTrust([cidr])).toThrow(`"${cidr}" is not an address or CIDR range`)
})

test.each([
  ['1.2.3.4', '1.2.3.4'],
  ['::ffff:1.2.3.4', '1.2.3.4'],
  ['::FFFF:1.2.3.4', '1.2.3.4'],
  ['::ffff:102:304', '1.2.3.4'],
  ['0:0:0:0:0:ffff:1.2.3.4', '1.2.3.4'],
  ['fe80::1%eth0', 'fe80::1'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['::1', '::1'],
  ['::ffff:0:0', '0.0.0.0'],
  ['::ffff:7f00:1:1', '::ffff:7f00:1:1'],
  ['::ffff:0:127.0.0.1', '::ffff:0:7f00:1'],
  ['nonsense', 'nonsense'],
  ['a:b', 'a:b'],
])('%s is spelled %s', (text, expected) => {
  expect(normalizeIp(text)).toBe(expected)
})

describe('the client', () => {
  test('an untrusted peer is not believed', () => {
    const fields = new Fields([
      ...['x-forwarded-for', '1.2.3.4', 'x-forwarded-proto', 'https', 'x-forwarded-host', 'evil.org'],
      ...['forwarded', 'for=1.2.3.4', 'x-real-ip', '1.2.3.4'],
    ])
    expect(clientOf(trust, outside, fields)).toEqual({
      ip: '203.0.113.9',
      port: 4000,
      scheme: 'http',
      host: undefined,
      trusted: false,
    })
    expect(
      clientOf(compileTrust([]), { ...inside, tls: factsOfHello({ serverName: undefined, alpn: [] }) }, fields),
    ).toEqual({
      ...{ ip: '10.0.0.1', port: 4000, scheme: 'https', host: undefined, trusted: false },
    })
  })

  test('a trusted peer that says nothing is the client', () => {
    expect(clientOf(trust, inside, new Fields())).toEqual({
      ...{ ip: '10.0.0.1', port: 4000, scheme: 'http', host: undefined, trusted: true },
    })
  })

  test.each([
    ['1.2.3.4', '1.2.3.4'],
    ['6.6.6.6, 1.2.3.4', '1.2.3.4'],
    ['6.6.6.6, 1.2.3.4, 10.0.0.2 ,10.0.0.3', '1.2.3.4'],
    ['10.0.0.5, 10.0.0.2', '10.0.0.5'],
    ['1.2.3.4:5678', '1.2.3.4'],
    ['[2001:db9::1]:443, 2001:db8::2', '2001:db9::1'],
    ['2001:db9::1', '2001:db9::1'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['6.6.6.6, unknown, 10.0.0.2', '10.0.0.2'],
    ['6.6.6.6, 1.2.3.4.5', '10.0.0.1'],
    ['6.6.6.6, , 10.0.0.2', '10.0.0.2'],
    ['6.6.6.6,', '10.0.0.1'],
    [',10.0.0.2', '10.0.0.2'],
    ['', '10.0.0.1'],
    ['1.2.3.4:x', '10.0.0.1'],
    ['[1.2.3.4]', '10.0.0.1'],
  ])('X-Forwarded-For: %s', (value, ip) => {
    expect(clientOf(trust, inside, new Fields(['x-forwarded-for', value])).ip).toBe(ip)
  })

  test('lines of X-Forwarded-For are one list', () => {
    const fields = new Fields(['x-forwarded-for', '6.6.6.6, 1.2.3.4', 'a', 'b', 'x-forwarded-for', '10.0.0.2'])
    expect(clientOf(trust, inside, fields)).toMatchObject({ ip: '1.2.3.4', port: undefined })
  })

  test.each([
    ['https', 'https'],
    ['HTTPS', 'https'],
    ['wss', 'https'],
    ['https, http', 'http'],
    ['gopher', 'http'],
    ['', 'http'],
  ])('X-Forwarded-Proto: %s', (value, scheme) => {
    expect(clientOf(trust, inside, new Fields(['x-forwarded-proto', value])).scheme).toBe(scheme)
  })

  test('X-Forwarded-Host of a trusted peer', () => {
    expect(clientOf(trust, inside, new Fields(['x-forwarded-host', 'evil.org, a.org'])).host).toBe('a.org')
    expect(clientOf(trust, inside, new Fields(['x-forwarded-host', ''])).host).toBeUndefined()
  })
})

const trusted = fc.integer({ min: 0, max: 255 }).map((last) => `10.0.0.${last}`)
const untrusted = fc.oneof(
  fc.ipV4().filter((ip) => !trust.has(ip)),
  fc.ipV6().filter((ip) => !trust.has(ip)),
)

test('what a client writes itself never changes who it is', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), untrusted, fc.array(trusted), (forged, client, proxies) => {
      const fields = new Fields(['x-forwarded-for', [...forged, client, ...proxies].join(', ')])
      expect(clientOf(trust, inside, fields).ip).toBe(normalizeIp(client))
    }),
  )
})

test('whatever the header says, the client is an address', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii' }), (value) => {
      expect(clientOf(trust, inside, new Fields(['x-forwarded-for', value])).ip).toMatch(/^[\da-f.:]+$/)
    }),
  )
})

test('a spelling of an address is final', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), (text) => {
      expect(normalizeIp(normalizeIp(text))).toBe(normalizeIp(text))
    }),
  )
})

test('unix stands for clients without an address', () => {
  expect(compileTrust(['10.0.0.0/8', 'unix']).has('')).toBe(true)
  expect(compileTrust(['unix']).has('10.0.0.1')).toBe(false)
  expect(compileTrust(['10.0.0.0/8']).has('')).toBe(false)
  expect(compileTrust([]).has('')).toBe(false)
})
