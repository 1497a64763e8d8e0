import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type TLSSocket } from 'node:tls'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { TlsFacts } from '../../core/net/peer.ts'
import { distinguishedName, factsOfHandshake } from '../../core/tls/tls-facts.ts'
import { type Authority, createAuthority, type Issued, type LeafOptions } from './certificates.ts'

const ca = createAuthority('root')
const server = ca.issue()
/** For many certificates one after the other. */
const key = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey

interface Settings {
  readonly client?: Pick<Issued, 'cert' | 'chain' | 'key'>
  readonly trusted?: Authority
  readonly version?: 'TLSv1.2' | 'TLSv1.3'
  readonly protocols?: readonly string[]
}

/** The facts of a connection, on the server's side. */
async function handshake({ client, trusted = ca, version, protocols }: Settings = {}): Promise<TlsFacts> {
  const accepted = createServer({
    cert: server.chain,
    key: server.key,
    ca: trusted.cert,
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
    ...(version && { minVersion: version, maxVersion: version }),
  })
  accepted.listen(0, '127.0.0.1')
  await once(accepted, 'listening')
  onTestFinished(() => void accepted.close())
  const { port } = accepted.address() as { port: number }
  const socket = connect({
    ...{ host: '127.0.0.1', port, ca: ca.cert, servername: 'localhost' },
    ...(client && { cert: client.chain, key: client.key }),
    ...(protocols && { ALPNProtocols: [...protocols] }),
  })
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  const [secure] = (await once(accepted, 'secureConnection')) as [TLSSocket]
  secure.on('error', () => {})
  const facts = factsOfHandshake(secure, 'localhost')
  // What comes of it must not need the socket.
  secure.destroy()
  return facts
}

const issue = (options: LeafOptions): Issued => ca.issue({ usage: 'client', names: [], ...options })

test('what was agreed on, in either version', async () => {
  expect(await handshake({ version: 'TLSv1.3', protocols: ['http/1.1'] })).toEqual({
    ...{ serverName: 'localhost', version: '1.3', alpn: 'http/1.1', resumed: false, client: undefined },
    cipher: expect.stringMatching(/^TLS_AES_/) as string,
  })
  expect(await handshake({ version: 'TLSv1.2' })).toMatchObject({
    ...{ version: '1.2', alpn: undefined, cipher: expect.stringMatching(/^ECDHE-ECDSA-/) as string },
  })
})

describe('the certificate of a client', () => {
  test('in the forms that the SDK promises', async () => {
    const client = issue({
      subject: [
        ['C', 'DE'],
        ['O', 'Example'],
        ['CN', 'alice'],
      ],
      names: ['a.example', '192.0.2.1', '2001:db8::1'],
      serial: 0xaffen,
    })
    const { client: found } = await handshake({ client })
    expect(found).toMatchObject({
      ...{ subject: 'CN=alice,O=Example,C=DE', issuer: 'CN=root', serial: 'AFFE' },
      ...{ san: ['DNS:a.example', 'IP:192.0.2.1', 'IP:2001:DB8:0:0:0:0:0:1'], verified: true, problem: undefined },
      fingerprint: expect.stringMatching(/^[\da-f]{64}$/) as string,
    })
    expect(found!.der.equals(client.der)).toBe(true)
    // From the authorities of the listener, since the client has sent none.
    expect(found!.chain.map((der) => der.equals(ca.der))).toEqual([true])
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'is not verified when another authority has signed it, with %s',
    async (version) => {
      const client = createAuthority('root').issue({ usage: 'client' })
      expect((await handshake({ client, version })).client).toMatchObject({
        verified: false,
        problem: expect.stringContaining('unable to') as string,
      })
    },
  )

  test('is not verified when it has expired', async () => {
    const client = issue({ to: new Date(Date.now() - 60_000) })
    expect((await handshake({ client })).client).toMatchObject({ verified: false, problem: 'certificate has expired' })
  })

  test('without a name is empty', async () => {
    expect((await handshake({ client: issue({}) })).client).toMatchObject({ subject: '', san: [], verified: true })
  })
})

describe('a name', () => {
  /** The values of a name in the order of the certificate: the reverse of what RFC 4514 §2.1 writes. */
  const read = (name: string): [string, string][] => {
    const parts = name.match(/(?:[^,\\]|\\[\da-f]{2}|\\.)+/gis) ?? []
    return parts.reverse().map((part) => {
      const [, type, value] = /^([^=]+)=(.*)$/s.exec(part)!
      const bytes = value!.replace(/\\([\da-f]{2})|\\(.)/gis, (_, hex: string | undefined, plain: string) =>
        hex === undefined ? plain : String.fromCharCode(Number.parseInt(hex, 16)),
      )
      return [type!, bytes]
    })
  }

  const strange = [
    'a\nCN=root',
    'a\r\nb',
    'a\0b',
    'a,CN=root',
    'a+CN=root',
    'a + b',
    ' a ',
    '#a',
    '"a"',
    'a\\',
    '\\2C',
    'a;<>=',
    'Zoë 名 😀',
    '\x7f',
    '',
  ]

  test.each(strange)('keeps %j within its part', (value) => {
    const subject = [
      ['O', 'before'],
      ['CN', value],
      ['OU', 'after'],
    ] as const
    const text = distinguishedName(new X509Certificate(issue({ subject }).cert).subject)
    expect(read(text)).toEqual(subject)
    expect(text).not.toMatch(/[\0-\x1f\x7f]/)
  })

  test('reads back, whatever is in it', () => {
    const value = fc.oneof(fc.string({ unit: fc.constantFrom(...' a,+"\\#;<>=\n\0é名😀0') }), fc.string())
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('CN', 'O', 'OU'), value), { minLength: 1, maxLength: 3 }),
        (subject) => {
          const { cert } = issue({ subject, key })
          expect(read(distinguishedName(new X509Certificate(cert).subject))).toEqual(subject)
        },
      ),
      { numRuns: 100 },
    )
  })
})
