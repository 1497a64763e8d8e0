import { expect, test } from 'vitest'
import type { ClientFacts } from '../../core/http/client-address.ts'
import { Fields } from '../../core/http/fields.ts'
import { dropForwarding, forwardingFields, type Hop, takeForwarding } from '../../core/http/forwarding.ts'

const hop = {
  peerIp: '203.0.113.9',
  clientIp: '203.0.113.9',
  scheme: 'https',
  authority: 'example.com',
  localPort: 8443,
} as const

/** What is left of the client's fields when the request leaves, and then what the gateway says. */
function forwarded(fields: Fields, one: Hop, trusted: boolean = false): string[] {
  const earlier = takeForwarding(fields, clientOf(one, trusted))
  dropForwarding(fields)
  return [...fields.list, ...forwardingFields(one, earlier)]
}

function clientOf({ clientIp, scheme }: Hop, trusted: boolean, host?: string): ClientFacts {
  return { ip: clientIp, port: undefined, scheme, host, trusted }
}

const own = [
  ...['x-forwarded-for', '203.0.113.9', 'x-forwarded-proto', 'https', 'x-forwarded-host', 'example.com'],
  ...['x-forwarded-port', '8443', 'x-real-ip', '203.0.113.9'],
  ...['forwarded', 'for=203.0.113.9;host=example.com;proto=https'],
]

test('nothing of an untrusted peer is left', () => {
  const fields = new Fields([
    ...['a', '1', 'x-forwarded-for', '6.6.6.6', 'x_forwarded_for', '6.6.6.6', 'x-forwarded_for', '6.6.6.6'],
    ...[
      'x-forwarded-proto',
      'http',
      'x-forwarded-host',
      'evil.org',
      'x-forwarded-port',
      '1',
      'forwarded',
      'for=6.6.6.6',
    ],
    ...['x-real-ip', '6.6.6.6', 'x_real_ip', '6.6.6.6', 'x-forwarded-for', '7.7.7.7', 'x-other', '2', 'a', '3'],
  ])
  expect(forwarded(fields, hop)).toEqual(['a', '1', 'x-other', '2', 'a', '3', ...own])
})

test('the lists of a trusted peer go on', () => {
  const fields = new Fields([
    ...[
      'x-forwarded-for',
      '1.2.3.4',
      'x-forwarded-for',
      '10.0.0.2',
      'x-forwarded-port',
      '443',
      'x_forwarded_for',
      '6.6.6.6',
    ],
    ...['forwarded', 'for=1.2.3.4', 'x-real-ip', '6.6.6.6', 'x-forwarded-host', 'evil.org'],
  ])
  expect(forwarded(fields, { ...hop, peerIp: '10.0.0.1', clientIp: '1.2.3.4' }, true)).toEqual([
    ...[
      'x-forwarded-for',
      '1.2.3.4, 10.0.0.2, 10.0.0.1',
      'x-forwarded-proto',
      'https',
      'x-forwarded-host',
      'example.com',
    ],
    ...['x-forwarded-port', '443', 'x-real-ip', '1.2.3.4'],
    ...['forwarded', 'for=1.2.3.4, for=10.0.0.1;host=example.com;proto=https'],
  ])
})

test('routes and policies see nothing of an untrusted peer, and of a trusted one what was believed', () => {
  const sent = [
    ...['x-forwarded-for', '1.2.3.4', 'x-forwarded-for', '', 'a', '1', 'x-forwarded-proto', 'gopher'],
    ...['x-forwarded-host', 'evil.org, example.com', 'x-forwarded-port', '443x', 'forwarded', 'for=1.2.3.4'],
    ...['x-real-ip', '6.6.6.6', 'x_forwarded_for', '6.6.6.6', 'x-forwarded-for', '10.0.0.2'],
  ]
  const untrusted = new Fields([...sent])
  expect(takeForwarding(untrusted, clientOf(hop, false))).toBeUndefined()
  expect(untrusted.list).toEqual(['a', '1'])
  const trusted = new Fields([...sent])
  expect(takeForwarding(trusted, clientOf(hop, true, 'example.com'))).toBeDefined()
  expect(trusted.list).toEqual([
    ...['a', '1', 'x-forwarded-for', '1.2.3.4, 10.0.0.2', 'x-forwarded-proto', 'https'],
    ...['x-forwarded-host', 'example.com', 'forwarded', 'for=1.2.3.4'],
  ])
})

test('a trusted peer that says nothing', () => {
  const fields = new Fields(['x-forwarded-for', '', 'x-forwarded-port', '443x'])
  expect(forwarded(fields, hop, true)).toEqual(own)
})

test('IPv6 and ports are quoted in Forwarded', () => {
  const one = { ...hop, peerIp: '2001:db8::1', authority: '[2001:db8::2]:8443' }
  const fields = new Fields(forwarded(new Fields(), one))
  expect(fields.get('x-forwarded-for')).toBe('2001:db8::1')
  expect(fields.get('forwarded')).toBe('for="[2001:db8::1]";host="[2001:db8::2]:8443";proto=https')
})

test('a host that a trusted peer handed on cannot break out of its quotes', () => {
  const one = { ...hop, authority: 'a";for=6.6.6.6;x="\\' }
  const fields = new Fields(forwarded(new Fields(), one))
  expect(fields.get('forwarded')).toBe('for=203.0.113.9;host="a\\";for=6.6.6.6;x=\\"\\\\";proto=https')
})

const hearsay = [
  ...['x-forwarded-prefix', '/evil', 'x-forwarded-ssl', 'on', 'x-forwarded-scheme', 'https', 'x-url-scheme', 'https'],
  ...['front-end-https', 'on', 'x-forwarded-protocol', 'ssl', 'x-forwarded-client-cert', 'By=x'],
  ...['client-cert', ':AA==:', 'client-cert-chain', ':AA==:, :AQ==:'],
]

test('what else frameworks believe of earlier hops is removed when a stranger says it, also with underscores', () => {
  const aliases = hearsay.map((text, index) => (index % 2 === 0 ? text.replaceAll('-', '_') : text))
  const fields = new Fields([...hearsay, 'a', '1', ...aliases])
  expect(takeForwarding(fields, clientOf(hop, false))).toBeUndefined()
  expect(fields.list).toEqual(['a', '1'])
})

test('of a trusted peer it goes on, as policies leave it', () => {
  const fields = new Fields([...hearsay])
  expect(forwarded(fields, hop, true)).toEqual([...hearsay, ...own])
  const written = new Fields(['x-forwarded-prefix', '/a'])
  takeForwarding(written, clientOf(hop, true))
  written.set('x-forwarded-prefix', '/b')
  dropForwarding(written)
  expect(written.list).toEqual(['x-forwarded-prefix', '/b'])
})

test('where a trusted peer sends X-Forwarded-Proto, no other field names another scheme', () => {
  const left = (scheme: 'http' | 'https', ...sent: string[]): string[] => {
    const fields = new Fields([...sent, 'x-forwarded-proto', scheme])
    takeForwarding(fields, clientOf({ ...hop, scheme }, true))
    return fields.list
  }
  expect(left('http', ...hearsay)).toEqual([
    ...['x-forwarded-prefix', '/evil', 'x-forwarded-client-cert', 'By=x', 'client-cert', ':AA==:'],
    ...['client-cert-chain', ':AA==:, :AQ==:', 'x-forwarded-proto', 'http'],
  ])
  expect(left('https', ...hearsay)).toEqual([...hearsay, 'x-forwarded-proto', 'https'])
  expect(left('http', 'x-forwarded-ssl', 'off', 'x-forwarded-scheme', 'http')).toEqual([
    ...['x-forwarded-ssl', 'off', 'x-forwarded-scheme', 'http', 'x-forwarded-proto', 'http'],
  ])
  expect(left('https', 'x-forwarded-ssl', 'off')).toEqual(['x-forwarded-proto', 'https'])
})

test('a request without a host says nothing of one', () => {
  const lines = forwardingFields({ ...hop, authority: '' }, undefined)
  expect(lines).not.toContain('x-forwarded-host')
  expect(lines.at(-1)).toBe('for=203.0.113.9;proto=https')
})
