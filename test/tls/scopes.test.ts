import { modes, type PluginUnderTest, testPlugin } from 'postern/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { normalizeScopes } from '../../core/check/scopes.ts'
import { compileChain } from '../../core/hooks/chain.ts'
import type { Policy } from '../../core/hooks/policy.ts'
import { fieldsOf, isOfHandshake } from '../../core/hooks/scopes.ts'
import { fixture } from '../sandbox/harness.ts'

const ofConnection = ['serverName', 'version', 'cipher', 'alpn']
const ofClient = ['verified', 'subject', 'issuer', 'serial', 'san', 'fingerprint']
const all = [...ofConnection, ...ofClient.map((name) => `client.${name}`)]

let plugin: PluginUnderTest
afterEach(() => plugin?.close())

describe.each(modes)('in %s', (mode) => {
  const open = async (reads: readonly string[], layer: 'L4' | 'L7' = 'L7'): Promise<void> => {
    plugin = await testPlugin(fixture('tls'), { reads: [...reads] }, { mode, layer })
  }
  const seen = async (hook: 'onConnect' | 'onRequest', tls?: object): Promise<unknown> =>
    JSON.parse((await plugin.run(hook, tls === undefined ? {} : { tls })).reply!.body)

  test.each([
    ['L4', 'onConnect'],
    ['L7', 'onConnect'],
    ['L7', 'onRequest'],
  ] as const)('every field, on %s in %s', async (layer, hook) => {
    await open(all, layer)
    const client = { subject: 'CN=a', issuer: 'CN=b', serial: '0A', san: ['DNS:a', 'URI:b'], fingerprint: 'ab' }
    const tls = { serverName: 'a.example', version: '1.2', cipher: 'C', alpn: 'http/1.1' }
    expect(await seen(hook, { ...tls, client })).toEqual({ ...tls, client: { ...client, verified: true } })
    expect(await seen(hook, { client: { verified: false } })).toMatchObject({ client: { verified: false, san: [] } })
    expect(await seen(hook, {})).toEqual({ version: '1.3', cipher: 'TLS_AES_128_GCM_SHA256', client: {} })
    expect(await seen(hook)).toEqual({ client: {} })
  })

  test('no text of a certificate breaks out of its field', async () => {
    await open(all)
    const strange = [
      '',
      'a\nb',
      'a\0b',
      '\x1aa',
      '\x1b\x1c\x1d\x1e\x1f',
      'Zoë\u2028名\u202e',
      '\x1bZ',
      'x'.repeat(10_240),
    ]
    for (const subject of strange) {
      const client = { subject, san: [`DNS:${subject}`, 'DNS:b', `email:${subject}`] }
      expect(await seen('onRequest', { client })).toMatchObject({ client })
    }
  })

  test('only what is declared', async () => {
    await open(['serverName', 'client.verified'])
    const tls = { serverName: 'a.example', alpn: 'http/1.1', client: { san: ['DNS:a'] } }
    expect(await seen('onRequest', tls)).toEqual({ serverName: 'a.example', client: { verified: true } })
  })
})

test('the scopes are those of both layers, known from the beginning', () => {
  const reads = all.map((name) => `tls.${name}`)
  expect(normalizeScopes({ reads, writes: [] })).toEqual({ scopes: { reads, writes: [] }, wrong: [] })
  for (const hook of ['onConnect', 'onRequest', 'selectBackend', 'onClose', 'onDisconnect'] as const)
    expect(fieldsOf(hook, reads)).toEqual(expect.arrayContaining(reads))
  expect(fieldsOf('checkHealth', reads)).toEqual(['backend'])
  expect(
    normalizeScopes({ reads: ['tls', 'tls.client', 'tls.client.der', 'tls.servername'], writes: ['tls.alpn'] }).wrong,
  ).toEqual([
    ...['tls', 'tls.client', 'tls.client.der', 'tls.servername'].map(
      (scope) => `declares an invalid read: there is no field "${scope}"`,
    ),
    'declares a write that is not allowed: "tls.alpn" is read-only',
  ])
})

test('all but the server name are of the handshake', () => {
  const fields = [...all.map((name) => `tls.${name}`), 'client.ip', 'path', 'header:tls.version']
  expect(fields.filter((field) => !isOfHandshake(field))).toEqual([
    'tls.serverName',
    'client.ip',
    'path',
    'header:tls.version',
  ])
})

test('a chain knows its first policy that needs the handshake to decide about a connection', () => {
  const policy = (needsHandshake: boolean, hook: 'onConnect' | 'onRequest' = 'onConnect'): Policy =>
    ({ needsHandshake, readers: { [hook]: [] }, bodies: {}, scopes: { reads: [], writes: [] } }) as unknown as Policy
  const at = (...policies: Policy[]): number => compileChain(policies).handshakeAt
  expect(at()).toBe(0)
  expect(at(policy(false), policy(false))).toBe(2)
  expect(at(policy(false), policy(true), policy(false), policy(true))).toBe(1)
  expect(at(policy(true, 'onRequest'), policy(false))).toBe(2)
})
