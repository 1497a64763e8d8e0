import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { echoBackend, tcpBackend } from '../helpers/backend.ts'
import { open } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { createAuthority, type Issued } from './certificates.ts'
import { openTls, request } from './client.ts'
import { clientHello } from './raw-handshake.ts'
import { visit } from './visit.ts'

const authority = createAuthority('Servers')
const { ca } = authority
const server = authority.issue()
const people = createAuthority('People')
const alice = people.issue({ names: ['alice'], usage: 'client' })
const bob = people.issue({ names: ['bob'], usage: 'client' })
const stranger = createAuthority('Others').issue({ names: ['alice'], usage: 'client' })
const old = people.issue({ names: ['old'], usage: 'client', from: new Date(0), to: new Date(1e12) })
const team = people.intermediate('Team')
const carol = team.issue({ names: ['carol'], usage: 'client' })
const deep = team.intermediate('Subteam').issue({ names: ['dave'], usage: 'client' })
const revocations = people.crl([bob])

const files = {
  'web.crt': server.chain,
  'web.key': server.key,
  'people.crt': people.cert,
  'team.crt': team.cert,
  'people.crl': revocations,
  'team.crl': team.crl(),
}

function gateway(clientCertificate: { [key: string]: Json }, backend: number): Promise<TestGateway> {
  const tls = { certificates: [{ cert: 'web.crt', key: 'web.key' }], clientCertificate }
  return startInProcess(httpConfig([backend], { listeners: { web: { protocol: 'https', tls } } }), files)
}

const as = ({ chain, key }: Issued): object => ({ ca, cert: chain, key })
const handshakes = ({ log }: TestGateway): unknown[] =>
  log.filter(({ msg }) => msg === 'handshake').map(({ cause, alert, outcome }) => ({ outcome, alert, cause }))
const refused = (why: string): object => ({
  outcome: 'DPE',
  cause: `the client's certificate is not accepted: ${why}`,
})

describe('a listener that requires certificates', () => {
  test('takes those of its authorities, and refuses all others with words', async () => {
    const running = await gateway({ mode: 'require', ca: ['people.crt'] }, (await echoBackend()).port)
    const web = running.port('web')
    expect(await request(web, as(alice))).toContain('HTTP/1.1 200 ')
    expect(await request(web, as(carol))).toContain('HTTP/1.1 200 ')
    for (const [client, why] of [
      [stranger, 'unable to get local issuer certificate'],
      [old, 'certificate has expired'],
      [people.issue({ usage: 'server' }), 'unsuitable certificate purpose'],
    ] as const) {
      const answer = await request(web, as(client))
      expect(answer).toContain('HTTP/1.1 400 ')
      expect(answer).toContain(`The client's certificate is not accepted: ${why}.`)
      expect(handshakes(running).at(-1)).toMatchObject(refused(why))
    }
  })

  test('refuses a client without one in the handshake', async () => {
    const running = await gateway({ mode: 'require', ca: ['people.crt'] }, (await echoBackend()).port)
    await expect(request(running.port('web'), { ca, maxVersion: 'TLSv1.2' })).rejects.toThrow(/handshake failure/)
    const socket = await openTls(running.port('web'), { ca })
    const error = await new Promise<Error>((resolve) => socket.once('error', resolve))
    expect(error.message).toMatch(/certificate required/)
    await expect.poll(() => handshakes(running)).toMatchObject([{ outcome: 'DPE' }, { outcome: 'DPE' }])
  })

  test('refuses revoked ones, and those of authorities without a list', async () => {
    const rules = { mode: 'require', ca: ['people.crt'], crl: ['people.crl'] }
    const running = await gateway(rules, (await echoBackend()).port)
    expect(await request(running.port('web'), as(alice))).toContain('HTTP/1.1 200 ')
    expect(await request(running.port('web'), as(bob))).toContain('certificate revoked')
    expect(await request(running.port('web'), as(carol))).toContain('unable to get certificate CRL')
  })

  test('authorities below a root', async () => {
    const running = await gateway({ mode: 'require', ca: ['team.crt'] }, (await echoBackend()).port)
    expect(await request(running.port('web'), as(carol))).toContain('HTTP/1.1 200 ')
    expect(await request(running.port('web'), as(alice))).toContain('HTTP/1.1 400 ')
  })

  test('counts the certificates between', async () => {
    for (const [depth, allowed, not] of [
      [0, alice, carol],
      [1, carol, deep],
    ] as const) {
      const rules = { mode: 'require', ca: ['people.crt'], depth }
      const running = await gateway(rules, (await echoBackend()).port)
      expect(await request(running.port('web'), as(allowed))).toContain('HTTP/1.1 200 ')
      const answer = await request(running.port('web'), as(not))
      expect(answer).toContain(`more than ${depth} certificates are between it and an authority`)
    }
  })

  test('a session that began under other rules is not resumed', async () => {
    const backend = (await echoBackend()).port
    const running = await gateway({ mode: 'require', ca: ['people.crt'] }, backend)
    const web = running.port('web')
    const certificates = [{ cert: 'web.crt', key: 'web.key' }]
    const rules = { mode: 'require', ca: ['people.crt'] }
    const use = (clientCertificate: Json): Promise<void> => {
      const tls = { certificates, clientCertificate }
      return running.reload(httpConfig([backend], { listeners: { web: { protocol: 'https', tls } } }))
    }
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const options = { ...as(bob), maxVersion }
      const { session } = await visit(web, options)
      expect((await visit(web, { ...options, session })).resumed).toBe(true)
      await use({ ...rules, crl: ['people.crl'] })
      expect(await visit(web, { ...options, session }), maxVersion).toMatchObject({
        resumed: false,
        text: expect.stringContaining('certificate revoked') as string,
      })
      await use(rules)
    }
  })
})

test('a reload that changes the rules ends connections and handshakes that began under others', async () => {
  const backend = (await echoBackend()).port
  const rules = { mode: 'require', ca: ['people.crt'] }
  const running = await gateway(rules, backend)
  const reload = (clientCertificate: Json): Promise<void> => {
    const tls = { certificates: [{ cert: 'web.crt', key: 'web.key' }], clientCertificate }
    return running.reload(httpConfig([backend], { listeners: { web: { protocol: 'https', tls } } }))
  }
  const [kept, half] = [await openTls(running.port('web'), as(bob)), await open(running.port('web'))]
  let text = ''
  kept.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1')
  })
  const get = 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'
  kept.write(get)
  await expect.poll(() => text).toContain('HTTP/1.1 200 ')
  const reply = new Promise((resolve) => half.once('data', resolve))
  half.write(await clientHello())
  await reply
  await reload(rules)
  text = ''
  kept.write(get)
  await expect.poll(() => text).toContain('HTTP/1.1 200 ')
  const ended = Promise.all([kept, half].map((socket) => new Promise((resolve) => socket.once('end', resolve))))
  await reload({ ...rules, crl: ['people.crl'] })
  await ended
  const cause = 'a reload has changed the rules for the certificates of clients'
  expect(handshakes(running)).toEqual([{ outcome: 'SD', alert: undefined, cause }])
  expect(await request(running.port('web'), as(bob))).toContain('certificate revoked')
  expect(await request(running.port('web'), as(alice))).toContain('HTTP/1.1 200 ')
})

test('several lists, one for each authority of a chain', async () => {
  const rules = { mode: 'require', ca: ['people.crt'], crl: ['people.crl', 'team.crl'] }
  const running = await gateway(rules, (await echoBackend()).port)
  expect(await request(running.port('web'), as(carol))).toContain('HTTP/1.1 200 ')
  const tls = { certificates: [{ cert: 'web.crt', key: 'web.key' }] }
  // OpenSSL would refuse every client: it looks for a list about the authority, too.
  const clientCertificate = { ...rules, ca: ['team.crt'] }
  const config = httpConfig([1], { listeners: { web: { protocol: 'https', tls: { ...tls, clientCertificate } } } })
  await expect(running.reload(config)).rejects.toMatchObject({
    problems: [{ message: 'with "crl" the authority that issued "CN=Team" is needed in "ca", too' }],
  })
})

test('a listener that requests them serves clients without one, and with any', async () => {
  const { port } = await gateway({ mode: 'request', ca: ['people.crt'] }, (await echoBackend()).port)
  for (const options of [{ ca }, as(alice), as(stranger)]) {
    expect(await request(port('web'), options)).toContain('HTTP/1.1 200 ')
  }
})

test('a tls listener closes the connection of a client that is not accepted', async () => {
  const clientCertificate = { mode: 'require', ca: ['people.crt'] }
  const tls = { certificates: [{ cert: 'web.crt', key: 'web.key' }], clientCertificate }
  const backend = await tcpBackend((socket) => void socket.end('here'))
  const upstream = { protocol: 'tcp', backends: [{ address: `127.0.0.1:${backend.port}` }], health: false }
  const running = await startInProcess(
    {
      listeners: { db: { protocol: 'tls', address: '127.0.0.1', port: 0, tls } },
      routes: { all: { listener: 'db', upstream: 'pool' } },
      upstreams: { pool: upstream },
    },
    files,
  )
  expect(await request(running.port('db'), as(alice))).toBe('here')
  expect(await request(running.port('db'), as(stranger))).toBe('')
  expect(handshakes(running)).toMatchObject([refused('unable to get local issuer certificate')])
})

test('lists and authorities that cannot be read reject a configuration', async () => {
  const running = await gateway(
    { mode: 'require', ca: ['people.crt'], crl: ['people.crl'] },
    (await echoBackend()).port,
  )
  const tls = { certificates: [{ cert: 'web.crt', key: 'web.key' }] }
  const rules = { mode: 'require', ca: ['people.crt', 'people.crl'], crl: ['people.crl', 'broken.crl', 'web.crt'] }
  writeFileSync(join(running.folder, 'broken.crl'), revocations.replace(/\n[^-]{30}/, '\nAAAA'))
  const config = httpConfig([1], {
    listeners: { web: { protocol: 'https', tls: { ...tls, clientCertificate: rules } } },
  })
  await expect(running.reload(config)).rejects.toMatchObject({
    problems: [
      { message: expect.stringContaining('"people.crl" holds no certificate in PEM') as string },
      { message: '"broken.crl" holds a revocation list that cannot be read' },
      { message: '"web.crt" holds no revocation list in PEM ("-----BEGIN X509 CRL-----")' },
    ],
  })
  expect(await request(running.port('web'), as(alice))).toContain('HTTP/1.1 200 ')
})

test('lists and authorities that have ended are warned of, and refuse their clients', async () => {
  const past = { thisUpdate: new Date(0), nextUpdate: new Date(1e12) }
  const ended = createAuthority('Ended', { from: new Date(0), to: new Date(1e12) })
  const running = await startInProcess(
    httpConfig([(await echoBackend()).port], {
      listeners: {
        web: {
          protocol: 'https',
          tls: {
            certificates: [{ cert: 'web.crt', key: 'web.key' }],
            clientCertificate: { mode: 'require', ca: ['people.crt', 'ended.crt'], crl: ['old.crl'] },
          },
        },
      },
    }),
    { ...files, 'old.crl': people.crl([], past), 'ended.crt': ended.cert },
  )
  expect(running.log.filter(({ msg }) => msg === 'configuration').map(({ message }) => message)).toEqual([
    '"CN=Ended" ended on 2001-09-09: all clients of its authority are refused',
    'the list ended on 2001-09-09: all clients of its authority are refused',
  ])
  expect(await request(running.port('web'), as(alice))).toContain('CRL has expired')
})
