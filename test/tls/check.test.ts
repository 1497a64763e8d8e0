// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of configurations
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type CheckOptions, checkConfig } from '../../core/check/check.ts'
import type { Problem } from '../../core/config/problem.ts'
import { gatewayFolder, type Json } from '../helpers/gateway.ts'
import { createAuthority, selfSigned } from './certificates.ts'

const authority = createAuthority()
const good = authority.issue()
const day = 86_400_000
const inDays = (days: number): Date => new Date(Date.now() + days * day)

/** Problems of a configuration with this `tls`, and warnings, each as `path: message`. */
async function judged(
  tls: Json,
  files: Record<string, string>,
  options: CheckOptions = {},
): Promise<{ problems: string[]; warnings: string[]; secrets: readonly string[] }> {
  const config = {
    listeners: { web: { protocol: 'https', port: 0, tls } },
    routes: { all: { listener: 'web', reply: { status: 200 } } },
  }
  const result = await checkConfig(join(gatewayFolder(config, files), 'gateway.json'), options)
  const plain = ({ path, message }: Problem): string => `${path.replace('listeners.web.tls.', '')}: ${message}`
  if (!result.ok) return { problems: result.problems.map(plain), warnings: [], secrets: [] }
  return { problems: [], warnings: result.warnings.map(plain), secrets: result.secrets.map(({ value }) => value) }
}

function one(cert: string, key: string, more: { [key: string]: Json } = {}): [Json, Record<string, string>] {
  return [{ certificates: [{ cert: 'c.crt', key: 'c.key', ...more }] }, { 'c.crt': cert, 'c.key': key }]
}

describe('a certificate', () => {
  test('that is good has no problem, and its key is a secret', async () => {
    const { problems, warnings, secrets } = await judged(...one(good.chain, good.key))
    expect([...problems, ...warnings]).toEqual([])
    expect(secrets.some((secret) => good.key.includes(secret))).toBe(true)
  })

  test('may be text of a reference', async () => {
    const reference = { certificates: [{ cert: '${env:CERT}', key: '${file:c.key}' }] }
    const env = { CERT: good.chain }
    expect((await judged(reference, { 'c.key': good.key }, { env })).problems).toEqual([])
  })

  test.each<[string, string, string, string]>([
    [
      'expired',
      ...pair(authority.issue({ from: inDays(-9), to: inDays(-2) })),
      'certificates[0].cert: the certificate expired on',
    ],
    [
      'in the future',
      ...pair(authority.issue({ from: inDays(2) })),
      'certificates[0].cert: the certificate is valid only from',
    ],
    ['that of a CA', authority.cert, authority.key, 'certificates[0].cert: the first certificate is that of a CA'],
    [
      'behind that of its CA',
      authority.cert + good.cert,
      good.key,
      'certificates[0].cert: the first certificate is that of a CA',
    ],
    [
      'with another key',
      good.cert,
      authority.issue().key,
      'certificates[0].key: "c.key" is not the key of the first certificate in "c.crt"',
    ],
    [
      'for clients',
      ...pair(authority.issue({ usage: 'client' })),
      'certificates[0].cert: the certificate is not for servers',
    ],
    ['that is none', 'hello', good.key, 'certificates[0].cert: "c.crt" holds no certificate in PEM'],
    ['that is cut off', good.cert.slice(0, 300), good.key, 'certificates[0].cert: "c.crt" holds no certificate in PEM'],
    [
      'that is garbled',
      good.cert.replace(/\n[^-]{20}/, '\nAAAAAAAAAAAAAAAAAAAA'),
      good.key,
      'certificates[0].cert: "c.crt" holds a certificate that cannot be read',
    ],
    [
      'with a key of an unknown kind',
      withUnknownKey(good.der),
      good.key,
      'certificates[0].cert: the certificate has a kind of key that TLS does not use',
    ],
    ['with a key that is none', good.cert, good.cert, 'certificates[0].key: "c.key" holds no private key in PEM'],
  ])('%s is refused', async (_name, cert, key, problem) => {
    const { problems } = await judged(...one(cert, key))
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(problem)
  })

  test('that expires in less than 14 days, and one of which the chain is wrong, are warned of', async () => {
    const soon = authority.issue({ to: inDays(13) })
    expect((await judged(...one(soon.cert, soon.key))).warnings).toEqual([
      expect.stringContaining('certificates[0].cert: the certificate expires on'),
    ])
    const wrong = await judged(...one(good.cert + createAuthority().cert, good.key))
    expect(wrong.warnings).toEqual([expect.stringContaining('the second certificate did not issue the first')])
  })

  test('a missing file is a problem, unless the secrets of this machine may be missing', async () => {
    const [tls, { 'c.crt': cert }] = one(good.cert, '')
    const { problems } = await judged(tls, { 'c.crt': cert! })
    expect(problems[0]).toMatch(/^certificates\[0\]\.key: ".*c\.key": the file does not exist$/)
    expect((await judged(tls, { 'c.crt': cert! }, { mustExist: false })).problems).toEqual([])
  })
})

describe('an encrypted key', () => {
  const key = good.privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'open sesame',
  }) as string

  test('is decrypted with a passphrase', async () => {
    const [tls, files] = one(good.cert, key, { passphrase: '${env:PASS}' })
    expect((await judged(tls, files, { env: { PASS: 'open sesame' } })).problems).toEqual([])
    expect((await judged(tls, files, { env: { PASS: 'wrong one' } })).problems).toEqual([
      'certificates[0].passphrase: it does not decrypt the key in "c.key"',
    ])
  })

  test('without one is refused', async () => {
    expect((await judged(...one(good.cert, key))).problems).toEqual([
      'certificates[0].key: the key is encrypted; add "passphrase": "${env:NAME}"',
    ])
  })
})

describe('several certificates', () => {
  const other = authority.issue()
  const rsa = authority.issue({ key: 'rsa' })
  const nameless = authority.issue({ names: [] })
  const files = {
    'a.pem': good.cert + good.key,
    'b.pem': other.cert + other.key,
    'r.pem': rsa.cert + rsa.key,
    'n.pem': nameless.cert + nameless.key,
  }
  const list = (...names: string[]): Json => ({
    certificates: names.map((name) => ({ cert: `${name}.pem`, key: `${name}.pem` })),
  })

  test('of one name and kind of key are refused, of two kinds not', async () => {
    expect((await judged(list('a', 'r'), files)).problems).toEqual([])
    expect((await judged(list('a', 'b'), files)).problems).toEqual([
      'certificates[1].cert: "localhost" already has a certificate with this kind of key (EC): [0]; keep one, or give each its "names"',
    ])
  })

  test('without names only the first can be used', async () => {
    expect((await judged(list('n', 'a'), files)).warnings).toEqual([
      'certificates[0].cert: the certificate is for no host name (it has no subjectAltName)',
    ])
    expect((await judged(list('a', 'n'), files)).problems).toEqual([
      'certificates[1].cert: the certificate is for no host name (it has no subjectAltName); add "names"',
    ])
  })
})

test('a certificate for trials, as openssl makes them by default, is warned of', async () => {
  const { warnings, problems } = await judged(...one(...pair(selfSigned({ names: ['localhost'] }))))
  expect([...problems, ...warnings]).toEqual([])
})

test('settings that OpenSSL does not know are refused', async () => {
  const [tls, files] = one(good.cert, good.key)
  const { problems } = await judged({ ...(tls as object), ciphers: 'NO-SUCH', groups: 'X25519:no-such' }, files)
  expect(problems).toEqual([
    'ciphers: OpenSSL knows none of these ciphers, or not all of them',
    'groups: OpenSSL knows none of these groups, or not all of them',
  ])
})

/** The OID of EC keys is another one. */
function withUnknownKey(certificate: Buffer): string {
  const der = Buffer.from(certificate)
  der[der.indexOf(Buffer.from('2a8648ce3d0201', 'hex')) + 6] = 0x7f
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`
}

function pair({ chain, key }: { chain: string; key: string }): [string, string] {
  return [chain, key]
}
