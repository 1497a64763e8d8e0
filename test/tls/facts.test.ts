import { createHash, generateKeyPairSync, sign, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { isIP } from 'node:net'
import { connect, createServer, type TLSSocket } from 'node:tls'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { TlsFacts } from '../../core/net/peer.ts'
import { alternativeNames, distinguishedName, factsOfHandshake, factsOfHello } from '../../core/tls/tls-facts.ts'
import { type Authority, createAuthority, type Issued, type LeafOptions } from './certificates.ts'
import { bits, element, oid, sequence, set, text } from './der.ts'

/** What the client said first. */
const hello = (serverName: string) => factsOfHello({ serverName, alpn: [] })

const ca = createAuthority('root')
const root = new X509Certificate(ca.cert)
const server = ca.issue()
/** For many certificates one after the other. */
const key = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey

interface Settings {
  readonly client?: Pick<Issued, 'cert' | 'chain' | 'key'>
  readonly trusted?: readonly Authority[]
  readonly authorities?: readonly X509Certificate[]
  readonly version?: 'TLSv1.2' | 'TLSv1.3'
  readonly protocols?: readonly string[]
}

/** The facts of a connection, on the server's side. */
async function handshake(settings: Settings = {}): Promise<TlsFacts> {
  const [facts] = await handshakes(settings, 1)
  return facts!
}

/** The facts of connections one after the other, each of which offers the session of the one before. */
async function handshakes(
  { client, trusted = [ca], authorities, version, protocols }: Settings,
  count: number,
): Promise<TlsFacts[]> {
  const accepted = createServer({
    cert: server.chain,
    key: server.key,
    ca: trusted.map(({ cert }) => cert),
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
    ...(version && { minVersion: version, maxVersion: version }),
  })
  accepted.listen(0, '127.0.0.1')
  await once(accepted, 'listening')
  onTestFinished(() => void accepted.close())
  const { port } = accepted.address() as { port: number }
  const all: TlsFacts[] = []
  let session: Buffer | undefined
  for (let i = 0; i < count; i++) {
    const socket = connect({
      ...{ host: '127.0.0.1', port, ca: ca.cert, servername: 'localhost' },
      ...(client && { cert: client.chain, key: client.key }),
      ...(protocols && { ALPNProtocols: [...protocols] }),
      ...(session && { session }),
    })
    const kept = count === 1 ? undefined : once(socket, 'session')
    socket.on('error', () => {})
    socket.resume()
    onTestFinished(() => void socket.destroy())
    const [secure] = (await once(accepted, 'secureConnection')) as [TLSSocket]
    secure.on('error', () => {})
    all.push(
      factsOfHandshake(secure, hello('localhost'), authorities && { authorities, depthProblem: () => undefined }),
    )
    if (i < count - 1) session = ((await kept) as [Buffer])[0]
    // What comes of it must not need the socket.
    secure.destroy()
  }
  return all
}

const issue = (options: LeafOptions): Issued => ca.issue({ usage: 'client', names: [], ...options })

test('what was agreed on, in either version', async () => {
  expect(await handshake({ version: 'TLSv1.3', protocols: ['http/1.1'] })).toEqual({
    ...{ serverName: 'localhost', offered: [], version: '1.3', alpn: 'http/1.1', resumed: false, client: undefined },
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
    // OpenSSL sends the authorities that it knows.
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

describe('alternative names', () => {
  const sanOf = (...names: string[]): string[] =>
    alternativeNames(new X509Certificate(issue({ names, key }).cert).subjectAltName)

  test.each([
    ...['a.example', 'a, DNS:b', 'a"b', 'a\\b', "a'b", 'a\0b', 'a\nb', 'a,b', ' a ', '', '*.example', 'xn--a', 'a:b'],
    ...['email:a@b.example', 'email:"a, b"@c', 'URI:spiffe://example/a', 'URI:a,b', 'URI:a", DNS:"b', 'URI:\n'],
  ])('%j stays one name of its kind', (name) => {
    const kind = /^(?:email|URI):/.test(name) ? name : `DNS:${name}`
    expect(sanOf('first.example', name, 'last.example')).toEqual(['DNS:first.example', kind, 'DNS:last.example'])
  })

  test('no name is taken for two, whatever its characters', () => {
    const name = fc.string({ unit: fc.constantFrom(...'a,:"\\\' \n\0DNS.', '\xe9') })
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 3 }), (names) => {
        fc.pre(names.every((one) => isIP(one) === 0))
        expect(sanOf(...names)).toEqual(names.map((one) => `DNS:${one}`))
      }),
      { numRuns: 100 },
    )
  })

  test('kinds that node does not print are named', () => {
    const otherNames = [
      element(0xa4, sequence(set(sequence(oid('2.5.4.3'), text('a, DNS:b'))))),
      element(0x88, Buffer.from([0x2a, 3])),
    ]
    const { subjectAltName } = new X509Certificate(issue({ names: ['a.example'], otherNames, key }).cert)
    const names = alternativeNames(subjectAltName)
    expect(names).toHaveLength(3)
    expect(names[0]).toBe('DNS:a.example')
    expect(names[1]).toMatch(/^DirName:CN ?= ?a/)
  })
})

describe('strange certificates', () => {
  test('10 KB of a name are read whole', async () => {
    const subject = [['O', 'x'.repeat(10_240)]] as const
    const { client } = await handshake({ client: issue({ subject }) })
    expect(client).toMatchObject({ subject: `O=${'x'.repeat(10_240)}`, verified: true })
  })

  test('one of more than 16 KB is not verified, and its names are not read', async () => {
    const names = Array.from({ length: 1_500 }, (_, i) => `${i}.example`)
    const { client } = await handshake({ client: issue({ names, subject: [['CN', 'a']] }) })
    expect(client).toMatchObject({
      ...{ subject: '', issuer: '', serial: '', san: [], verified: false },
      problem: expect.stringMatching(/^the certificate has \d+ bytes; at most 16384 are accepted$/) as string,
    })
  })

  test('what a client sends beside its chain is no part of it', async () => {
    const intermediate = ca.intermediate()
    const leaf = intermediate.issue({ usage: 'client' })
    const stranger = createAuthority('stranger')
    const sent = { ...leaf, chain: leaf.cert + stranger.cert + intermediate.cert + stranger.intermediate().cert }
    const { client } = await handshake({ client: sent, authorities: [root] })
    expect(client!.verified).toBe(true)
    expect(client!.chain.map((der) => [intermediate.der, ca.der].findIndex((one) => one.equals(der)))).toEqual([0, 1])
  })

  test('the authorities of the listener complete it', async () => {
    const intermediate = ca.intermediate()
    const leaf = intermediate.issue({ usage: 'client' })
    const authorities = [createAuthority('root'), intermediate, ca].map(({ cert }) => new X509Certificate(cert))
    const client = { ...leaf, chain: leaf.cert }
    const found = await handshake({ client, trusted: [ca, intermediate], authorities })
    expect(found.client!.chain.map((der) => [intermediate.der, ca.der].findIndex((one) => one.equals(der)))).toEqual([
      0, 1,
    ])
  })

  test('an authority of the same name that has signed nothing is no part of it', async () => {
    const leaf = ca.issue({ usage: 'client' })
    const { client } = await handshake({
      client: { ...leaf, chain: leaf.cert + createAuthority('root').cert },
      authorities: [root],
    })
    expect(client!.chain.map((der) => der.equals(ca.der))).toEqual([true])
  })
})

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a session of %s that is resumed', (version) => {
  test.each([
    ['of a certificate that is verified', ca.issue({ usage: 'client', subject: [['CN', 'alice']], names: [] }), true],
    [
      'of one that is not',
      createAuthority('root').issue({ usage: 'client', subject: [['CN', 'mallory']], names: [] }),
      false,
    ],
  ])('has the facts %s', async (_, client, verified) => {
    const [first, again] = (await handshakes({ client, version }, 2)) as [TlsFacts, TlsFacts]
    expect([first.resumed, again.resumed]).toEqual([false, true])
    for (const facts of [first, again]) {
      expect(facts.client).toMatchObject({ verified, fingerprint: sha256(client.der) })
    }
    expect(again.client!.subject).toBe(first.client!.subject)
  })
})

function sha256(der: Buffer): string {
  return createHash('sha256').update(der).digest('hex')
}

test('whatever a certificate holds that OpenSSL can read, its facts are texts', () => {
  const leaf = ca.issue({ names: ['a.example', '192.0.2.1', 'URI:spiffe://example/a', 'email:a@b.example'], key })
  const content = leaf.der.subarray(4)
  const body = content.subarray(0, 4 + content.readUInt16BE(2))
  const algorithm = sequence(oid('1.2.840.10045.4.3.2'))
  const change = fc.tuple(fc.nat(body.length - 1), fc.nat(255))
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      const changed = Buffer.from(body)
      for (const [at, byte] of changes) changed[at] = byte
      const x509 = readable(sequence(changed, algorithm, bits(sign('sha256', changed, ca.privateKey))))
      fc.pre(x509 !== undefined)
      const { subject, issuer, serial, fingerprint, san, chain, verified } = factsOfHandshake(
        showing(x509),
        hello('a'),
        rules,
      ).client!
      for (const text of [subject, issuer, serial, fingerprint, ...san]) expect(text).toBeTypeOf('string')
      expect([Array.isArray(chain), verified]).toEqual([true, true])
    }),
    { numRuns: 200 },
  )
})

const rules = { authorities: [root], depthProblem: () => undefined }

function readable(der: Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(der)
  } catch {
    return undefined
  }
}

/** A socket whose client has shown a certificate, as far as its facts need it. */
function showing(x509: X509Certificate): TLSSocket {
  const agreed = { getProtocol: () => 'TLSv1.3', getCipher: () => ({ name: 'C' }), isSessionReused: () => false }
  const verdict = { getPeerX509Certificate: () => x509, _handle: { verifyError: () => null } }
  return { ...agreed, ...verdict, alpnProtocol: false } as unknown as TLSSocket
}
