import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { expect, test, vi } from 'vitest'
import { records } from '../../core/net/record-watch.ts'
import { echoBackend } from '../helpers/backend.ts'
import { drained, open } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { describeWith } from '../peers/needs.ts'
import { createAuthority } from './certificates.ts'
import { request } from './client.ts'
import { integer, sequence, tagged } from './der.ts'
import { cipherOfUpdates, keyUpdates } from './key-updates.ts'
import { openssl } from './openssl.ts'
import { alertsIn, clientHello, openCut } from './raw-handshake.ts'
import { visit } from './visit.ts'

const authority = createAuthority()
const { ca } = authority
const web = authority.issue()
const files = { 'web.crt': web.chain, 'web.key': web.key }

function https(port: number, limits: { [name: string]: Json } = {}, more: { [name: string]: Json } = {}): Json {
  const tls = { certificates: [{ cert: 'web.crt', key: 'web.key' }], ...more }
  return httpConfig([port], { listeners: { web: { protocol: 'https', tls, timeouts: limits } } })
}

const onHandshake = ({ msg }: Record<string, unknown>): boolean => msg === 'handshake'

/** A record: its header, and this content. */
function record(type: number, content: Buffer, size = content.length): Buffer {
  return Buffer.concat([Buffer.from([type, 3, 3, size >> 8, size & 255]), content])
}

interface Attack {
  readonly what: string
  /** Sent at once. */
  readonly bytes: (hello: Buffer) => Buffer
  /** The end of the client's side follows; default: it goes on to wait. */
  readonly ends?: boolean
  readonly outcome: string
  /** Of the record; default: any, or none. */
  readonly alert?: string
}

const [changeCipherSpec, alert, handshake, applicationData] = [20, 21, 22, 23] as const

const attacks: readonly Attack[] = [
  { what: 'a byte of a ClientHello, and silence', bytes: (hello) => hello.subarray(0, 1), outcome: 'CI' },
  { what: 'a ClientHello without its last byte, and silence', bytes: (hello) => hello.subarray(0, -1), outcome: 'CI' },
  { what: 'a ClientHello, and silence', bytes: (hello) => hello, outcome: 'CI' },
  { what: 'half a ClientHello, and the end', bytes: (hello) => hello.subarray(0, 99), ends: true, outcome: 'DC' },
  { what: 'a ClientHello, and the end', bytes: (hello) => hello, ends: true, outcome: 'DC' },
  {
    what: 'a record that announces more than follows',
    bytes: (hello) => Buffer.concat([hello, record(applicationData, Buffer.alloc(9), 500)]),
    outcome: 'CI',
  },
  {
    what: 'a record larger than any may be',
    bytes: (hello) => Buffer.concat([hello, record(applicationData, Buffer.alloc(20_000))]),
    outcome: 'DPE',
    alert: 'record_overflow',
  },
  {
    what: 'a record that does not decrypt',
    bytes: (hello) => Buffer.concat([hello, record(applicationData, Buffer.alloc(100, 7))]),
    outcome: 'DPE',
    alert: 'bad_record_mac',
  },
  {
    what: 'application data in the clear, before the handshake',
    bytes: () => record(applicationData, Buffer.from('GET / HTTP/1.1\r\n\r\n')),
    outcome: 'DPE',
  },
  { what: 'a second ClientHello', bytes: (hello) => Buffer.concat([hello, hello]), outcome: 'DPE' },
  {
    what: 'many changes of the cipher',
    bytes: (hello) => Buffer.concat([hello, ...Array(200).fill(record(changeCipherSpec, Buffer.from([1])))]),
    outcome: 'DPE',
  },
  {
    what: 'an alert instead of the rest',
    bytes: (hello) => Buffer.concat([hello, record(alert, Buffer.from([2, 48]))]),
    outcome: 'DPE',
    alert: 'unknown_ca',
  },
  {
    what: 'many warnings',
    bytes: (hello) => Buffer.concat([hello, ...Array(200).fill(record(alert, Buffer.from([1, 90])))]),
    outcome: 'DPE',
  },
  {
    what: 'a ClientHello of 20 KB',
    bytes: () => record(handshake, Buffer.concat([Buffer.from([1, 0, 78, 32]), Buffer.alloc(16_000)])),
    outcome: 'DPE',
    alert: 'record_overflow',
  },
  {
    what: 'a ClientHello of 16 MB in its own words',
    bytes: () => record(handshake, Buffer.from([1, 255, 255, 255, 3, 3])),
    outcome: 'DPE',
    alert: 'record_overflow',
  },
  {
    what: 'a finished handshake, from the first byte',
    bytes: () => record(handshake, Buffer.from([20, 0, 0, 12, ...Buffer.alloc(12)])),
    outcome: 'DPE',
    alert: 'unexpected_message',
  },
  {
    what: 'empty records',
    bytes: () => Buffer.concat(Array(300).fill(record(handshake, Buffer.alloc(0)))),
    outcome: 'DPE',
  },
  { what: 'a hello of SSL 2', bytes: () => Buffer.from([0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10]), outcome: 'DPE' },
]

test.each(attacks)('$what: $outcome', async ({ bytes, ends = false, outcome, alert: name }) => {
  const backend = await echoBackend()
  const gateway = await startInProcess(https(backend.port, { handshake: '300ms' }), files)
  const port = gateway.port('web')
  const socket = await open(port)
  const answer = drained(socket)
  socket.write(bytes(await clientHello()))
  if (ends) socket.end()

  expect(await gateway.record(onHandshake)).toMatchObject({ outcome, ...(name !== undefined && { alert: name }) })
  const all = Buffer.from(await answer, 'latin1')
  for (const { level } of alertsIn(all)) expect(level).toBe(2)
  expect(await request(port, { ca })).toContain('HTTP/1.1 200 ')
  await until('all connections to be over', () => gateway.gateway.active === 0)
  expect(gateway.log.filter(onHandshake)).toHaveLength(1)
  expect(backend.sockets.size).toBeLessThanOrEqual(1)
})

describeWith(['openssl'], 'openssl s_client', () => {
  test('a client that asks for another handshake on its connection (TLS 1.2) does not get one', async () => {
    const backend = await echoBackend()
    const { port, gateway } = await startInProcess(https(backend.port), files)
    // A line with an R makes openssl ask for it.
    const said = await openssl(port('web'), ['-tls1_2'], 'R\n')
    // Sockets of node say so with an alert and leave the connection to the client; raw ones end it.
    expect(said).toMatch(/RENEGOTIATING[\s\S]+(no renegotiation|unexpected eof)/)
    await until('all connections to be over', () => gateway.active === 0)
    expect(await request(port('web'), { ca })).toContain('HTTP/1.1 200 ')
  })

  test('data that a client sends before the handshake (0-RTT) is refused, and no request comes of it', async () => {
    const backend = await echoBackend()
    const { port, folder, log } = await startInProcess(https(backend.port), files)
    const [session, early] = [join(folder, 'session.pem'), join(folder, 'early')]
    const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`
    const args = ['-tls1_3', '-ign_eof']
    await openssl(port('web'), [...args, '-sess_out', session], get('/first'))
    writeFileSync(early, get('/early'))
    writeFileSync(session, withEarlyData(readFileSync(session, 'latin1')))
    const said = await openssl(port('web'), [...args, '-sess_in', session, '-early_data', early], get('/late'))
    expect(said).toContain('Early data was rejected')
    expect(said).toContain('HTTP/1.1 200 ')
    expect(log.map(({ path }) => path).filter((path) => path !== undefined)).toEqual(['/first', '/late'])
  })
})

/** A session of openssl that claims that the server takes early data: max_early_data is its element [15]. */
function withEarlyData(pem: string): string {
  const [, begin, base64, end] = /(-----BEGIN [^-]+-----)([\s\S]+)(-----END [^-]+-----)/.exec(pem)!
  const content = contentOf(Buffer.from(base64!, 'base64'))
  let at = 0
  while (at < content.length && content[at]! < 0xaf) at += sizeOf(content.subarray(at))
  const claim = tagged(15, integer(16_384n))
  const der = sequence(content.subarray(0, at), claim, content.subarray(at))
  return `${begin}\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n${end}\n`
}

/** Bytes of tag and length of an element of DER, and of its content. */
function lengthsOf(der: Buffer): { head: number; body: number } {
  const first = der[1]!
  if (first < 0x80) return { head: 2, body: first }
  return { head: 2 + (first & 0x7f), body: der.readUIntBE(2, first & 0x7f) }
}

function sizeOf(der: Buffer): number {
  const { head, body } = lengthsOf(der)
  return head + body
}

function contentOf(der: Buffer): Buffer {
  return der.subarray(lengthsOf(der).head, sizeOf(der))
}

test('a record that stops in the middle of a head holds its connection no longer than a head may take', async () => {
  const backend = await echoBackend()
  const { port, record: logged, gateway } = await startInProcess(https(backend.port, { head: '300ms' }), files)
  const { socket, tcp, cut } = await openCut(port('web'), { ca })
  await new Promise<void>((resolve) => socket.write('GET / HTTP/1.1\r\n', () => resolve()))
  cut(20)
  socket.write('host: a\r\n\r\n')
  expect(await logged(({ msg }) => msg === 'request')).toMatchObject({ outcome: 'DPE', status: 408 })
  await until('the end of the connection', () => tcp.destroyed || tcp.readableEnded)
  await until('all connections to be over', () => gateway.active === 0)
  expect(backend.sockets.size).toBe(0)
})

test('a record that stops before any byte of a head does so too, without a record in the log', async () => {
  const backend = await echoBackend()
  const { port, log } = await startInProcess(https(backend.port, { head: '300ms' }), files)
  const { socket, tcp, cut } = await openCut(port('web'), { ca })
  cut(20)
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await until('the end of the connection', () => tcp.destroyed || tcp.readableEnded)
  expect(log).toEqual([])
})

/** Alerts of clients, by number (RFC 8446 §6): those that OpenSSL tells apart. */
const alertNames = {
  10: 'unexpected_message',
  20: 'bad_record_mac',
  22: 'record_overflow',
  40: 'handshake_failure',
  42: 'bad_certificate',
  43: 'unsupported_certificate',
  44: 'certificate_revoked',
  45: 'certificate_expired',
  46: 'certificate_unknown',
  47: 'illegal_parameter',
  48: 'unknown_ca',
  49: 'access_denied',
  50: 'decode_error',
  51: 'decrypt_error',
  70: 'protocol_version',
  71: 'insufficient_security',
  80: 'internal_error',
  86: 'inappropriate_fallback',
  109: 'missing_extension',
  110: 'unsupported_extension',
  112: 'unrecognized_name',
  113: 'bad_certificate_status_response',
  115: 'unknown_psk_identity',
  116: 'certificate_required',
  120: 'no_application_protocol',
} as const

test('the record of a handshake that the client has ended has the name of its alert', async () => {
  const { port, log } = await startInProcess(https(1), files)
  const hello = await clientHello()
  for (const number of Object.keys(alertNames)) {
    const socket = await open(port('web'))
    socket.write(Buffer.concat([hello, record(alert, Buffer.from([2, Number(number)]))]))
    await drained(socket)
  }
  await until('all records', () => log.filter(onHandshake).length === Object.keys(alertNames).length)
  expect(log.filter(onHandshake).map((line) => line.alert)).toEqual(Object.values(alertNames))
  for (const { cause } of log.filter(onHandshake)) expect(cause).toMatch(/^the client ended the TLS handshake: /)
})

// Sockets of node do not show what is below them.
test.runIf(process.env.POSTERN_RAW_SOCKETS !== '0')(
  'a client that sends nothing but key updates is disconnected',
  async () => {
    const { port } = await startInProcess(https((await echoBackend()).port), files)
    let secret = ''
    const { tcp } = await openCut(port('web'), {
      ca,
      ciphers: cipherOfUpdates,
      onKeys: (line) => {
        if (line.startsWith('CLIENT_TRAFFIC_SECRET_0')) secret = line
      },
    })
    tcp.write(keyUpdates(secret, 6_000))
    // The watch looks by itself when the process comes late, which depends on the machine.
    await until('the end of the connection', () => {
      records.look()
      return tcp.destroyed || tcp.readableEnded
    })
    expect(await request(port('web'), { ca })).toContain('HTTP/1.1 200 ')
  },
)

interface CipherTeller {
  getCipher(): unknown
}
const { binding } = process as unknown as {
  binding(name: 'tls_wrap'): { readonly TLSWrap: { prototype: CipherTeller } }
}

test.each([
  ['on the handle', {}, binding('tls_wrap').TLSWrap.prototype],
  ['on a socket of node', { clientCertificate: { mode: 'request', ca: ['ca.crt'] } }, TLSSocket.prototype],
])('what cannot be read of a handshake %s ends its connection, and not the process', async (_where, more, teller) => {
  const backend = await echoBackend()
  const config = https(backend.port, {}, more)
  const { port, record: logged, gateway } = await startInProcess(config, { ...files, 'ca.crt': ca })
  const broken = vi.spyOn(teller as CipherTeller, 'getCipher').mockImplementationOnce(() => {
    throw new Error('no cipher')
  })
  const { error, text } = await visit(port('web'), { ca })
  expect(text).toBe('')
  expect(error).toBeOneOf([undefined, 'ECONNRESET'])
  broken.mockRestore()
  expect(await logged(onHandshake)).toMatchObject({ outcome: 'GE', cause: 'no cipher' })
  await until('all connections to be over', () => gateway.active === 0)
  expect(await request(port('web'), { ca })).toContain('HTTP/1.1 200 ')
})
