import { createHash, createPublicKey, sign, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type SecureVersion } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { httpConfig, type Json, startInProcess } from '../helpers/gateway.ts'
import { createAuthority, type Issued } from './certificates.ts'
import { bits, element, integer, nothing, octets, oid, sequence, tagged } from './der.ts'

const authority = createAuthority()
const web = authority.issue()
const rsa = authority.issue({ key: 'rsa' })
const hour = 3_600_000

function general(time: number): Buffer {
  return element(0x18, Buffer.from(new Date(time).toISOString().replace(/[-:T]|\.\d+/g, '')))
}

interface About {
  readonly status?: Buffer
  readonly until?: number
}

/** What a responder says of a certificate, signed by its issuer. */
function ocsp({ serial }: Issued, { status = element(0x80), until = Date.now() + hour }: About = {}): Buffer {
  const issuer = new X509Certificate(authority.cert)
  const spki = createPublicKey(authority.privateKey).export({ type: 'spki', format: 'der' })
  // The key itself: an uncompressed point of P-256.
  const keyHash = createHash('sha1').update(spki.subarray(-65)).digest()
  const nameHash = createHash('sha1').update(subjectOf(issuer)).digest()
  const id = sequence(sequence(oid('1.3.14.3.2.26'), nothing()), octets(nameHash), octets(keyHash), integer(serial))
  const single = sequence(id, status, general(Date.now() - hour), tagged(0, general(until)))
  const data = sequence(tagged(2, octets(keyHash)), general(Date.now() - hour), sequence(single))
  const basic = sequence(data, sequence(oid('1.2.840.10045.4.3.2')), bits(sign('sha256', data, authority.privateKey)))
  return sequence(element(0x0a, Buffer.from([0])), tagged(0, sequence(oid('1.3.6.1.5.5.7.48.1.1'), octets(basic))))
}

/** The subject of the authority: it is called by one CN, which is the last name in its own certificate. */
function subjectOf({ raw }: X509Certificate): Buffer {
  const cn = Buffer.from('Test CA')
  const name = sequence(element(0x31, sequence(oid('2.5.4.3'), element(0x0c, cn))))
  expect(raw.includes(name)).toBe(true)
  return name
}

const files = { 'web.pem': web.chain + web.key, 'rsa.pem': rsa.chain + rsa.key }
const config = (port: number, staple: Json, certificates = ['web.pem']): Json =>
  httpConfig([port], {
    listeners: {
      web: { protocol: 'https', tls: { certificates: certificates.map((pem) => ({ cert: pem, key: pem })), staple } },
    },
  })

/** The response that a client gets with the certificate. */
async function stapleOf(port: number, maxVersion: SecureVersion = 'TLSv1.3'): Promise<Buffer | null> {
  const options = { ca: authority.ca, servername: 'localhost', requestOCSP: true, maxVersion }
  const socket = connect({ host: '127.0.0.1', port, ...options })
  onTestFinished(() => void socket.destroy())
  let given: Buffer | null = null
  socket.on('OCSPResponse', (response: Buffer | null) => {
    given = response
  })
  await new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('error', reject)
  })
  return given
}

test('a client that asks gets the response about its certificate, and after a reload the new one', async () => {
  const first = ocsp(web)
  const { port: backend } = await echoBackend()
  const running = await startInProcess(config(backend, []), files)
  expect(await stapleOf(running.port('web'))).toBeNull()
  writeFileSync(join(running.folder, 'web.ocsp'), first)
  await running.reload(config(backend, ['web.ocsp']))
  expect((await stapleOf(running.port('web')))!.equals(first)).toBe(true)
  expect((await stapleOf(running.port('web'), 'TLSv1.2'))!.equals(first)).toBe(true)
  const next = ocsp(web, { until: Date.now() + 2 * hour })
  writeFileSync(join(running.folder, 'web.ocsp'), next)
  await running.reload(config(backend, ['web.ocsp']))
  expect((await stapleOf(running.port('web')))!.equals(next)).toBe(true)
  // Which of two certificates the client gets is not known before.
  await running.reload(config(backend, ['web.ocsp'], ['web.pem', 'rsa.pem']))
  expect(await stapleOf(running.port('web'))).toBeNull()
})

test('one that is not good, or about another certificate, rejects the configuration; one that is old is not sent', async () => {
  const { port: backend } = await echoBackend()
  const running = await startInProcess(config(backend, []), files)
  const revoked = element(0xa1, general(Date.now() - hour))
  const bad: Record<string, Buffer> = {
    'revoked.ocsp': ocsp(web, { status: revoked }),
    'unknown.ocsp': ocsp(web, { status: element(0x82) }),
    'other.ocsp': ocsp(rsa),
    'cut.ocsp': ocsp(web).subarray(0, 60),
    'refused.ocsp': sequence(element(0x0a, Buffer.from([3]))),
    'text.ocsp': Buffer.from('hello'),
  }
  for (const [name, bytes] of Object.entries(bad)) writeFileSync(join(running.folder, name), bytes)
  await expect(running.reload(config(backend, Object.keys(bad)))).rejects.toMatchObject({
    problems: [
      'it says that the certificate is revoked',
      'it says that the certificate is unknown',
      'it is about none of the certificates',
      'it is not an OCSP response in DER',
      'the responder has not answered the question',
      'it is not an OCSP response in DER',
    ].map((message) => ({ message })),
  })
  writeFileSync(join(running.folder, 'old.ocsp'), ocsp(web, { until: Date.now() - 1000 }))
  await running.reload(config(backend, ['old.ocsp']))
  expect(await stapleOf(running.port('web'))).toBeNull()
  await running.record(
    ({ msg, message }) => msg === 'configuration' && /it held until .*: it is not sent/.test(String(message)),
  )
})
