import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { raw } from '../../helpers/client.ts'
import { type Json, startGateway } from '../../helpers/gateway.ts'
import { until } from '../../helpers/until.ts'
import { describeWith } from '../../peers/needs.ts'
import { openTls } from '../client.ts'
import { type Pebble, startPebble } from './pebble.ts'

type Challenge = 'http-01' | 'tls-alpn-01'

/** A gateway at the ports where pebble looks for names: everything on http is redirected to https. */
function configFor(pebble: Pebble, challenge: Challenge, names: readonly string[] = ['a.example']): Json {
  const { directory, ca } = pebble
  const acme = { names: [...names], email: 'admin@a.example', agreeTerms: true, directory, ca, challenge }
  return {
    listeners: {
      web: { address: '127.0.0.1', port: pebble.http },
      secure: { address: '127.0.0.1', port: pebble.tls, protocol: 'https', tls: { certificates: [{ acme }] } },
    },
    routes: {
      redirected: { listener: 'web', reply: { redirect: 'https://{host}{path}{query}', status: 301 } },
      all: { listener: 'secure', reply: { status: 200, body: 'hello' } },
    },
  }
}

const issued = ({ msg }: Record<string, unknown>): boolean => msg === 'certificate issued'
const failed = ({ msg }: Record<string, unknown>): boolean => msg === 'certificate not issued'

/** Serial numbers that clients of a name see, over as many connections: workers take turns. */
async function serialsOf(port: number, servername = 'a.example', connections = 8): Promise<string[]> {
  const seen = new Set<string>()
  for (let i = 0; i < connections; i++) {
    const socket = await openTls(port, { servername, rejectUnauthorized: false })
    seen.add(socket.getPeerCertificate().serialNumber)
    socket.destroy()
  }
  return [...seen]
}

describeWith(['pebble'], 'a gateway with two workers', () => {
  test.each(['http-01', 'tls-alpn-01'] as const)(
    'gets its certificate by %s beside a redirect of everything to https, and all workers use it without a reload',
    async (challenge) => {
      const pebble = await startPebble()
      const gateway = await startGateway(configFor(pebble, challenge, ['a.example', 'b.example']))
      const { names } = await gateway.record(issued)
      expect(names).toEqual(['a.example', 'b.example'])
      const socket = await openTls(pebble.tls, { servername: 'b.example', rejectUnauthorized: false })
      expect(socket.getPeerCertificate().subjectaltname).toBe('DNS:a.example, DNS:b.example')
      socket.destroy()
      expect(await serialsOf(pebble.tls)).toHaveLength(1)
      const folder = join(gateway.folder, 'acme')
      const files = readdirSync(folder)
      expect(files).toHaveLength(2)
      expect(files.map((file) => statSync(join(folder, file)).mode & 0o777)).toEqual([0o600, 0o600])
      expect(await raw(pebble.http, 'GET /x HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n')).toContain(
        'location: https://a.example/x',
      )
      expect(gateway.log.filter(failed)).toEqual([])
      // A name is refused in words while it has no certificate, and so is a CA that nobody has asked.
      await expect(
        openTls(pebble.tls, { servername: 'a.example', ALPNProtocols: ['acme-tls/1'], rejectUnauthorized: false }),
      ).rejects.toThrow(/no application protocol/)
    },
    60_000,
  )

  test('renews it before it expires, under traffic, and successors of dead workers have the newest', async () => {
    const pebble = await startPebble({ lifetime: 9 })
    const gateway = await startGateway(configFor(pebble, 'tls-alpn-01'))
    await gateway.record(issued)
    const [first] = await serialsOf(pebble.tls)
    await until('a renewal', () => gateway.log.filter(issued).length >= 2, 60_000)
    const [second, ...others] = await serialsOf(pebble.tls)
    expect(second).not.toBe(first)
    expect(others.length).toBeLessThanOrEqual(1)
    const orders = gateway.log.filter(issued).length
    // The one that leads is among them, so another one has to go on.
    for (const pid of gateway.process.workers()) {
      const known = gateway.log.length
      process.kill(pid, 'SIGKILL')
      await gateway.process.record(({ msg }) => msg === 'worker started', known)
      expect(await serialsOf(pebble.tls)).not.toContain(first)
    }
    await until('another renewal', () => gateway.log.filter(issued).length > orders, 60_000)
  }, 120_000)

  test('keeps the certificate in use when the CA refuses, and says so', async () => {
    const pebble = await startPebble({ lifetime: 6 })
    const gateway = await startGateway(configFor(pebble, 'http-01'))
    await gateway.record(issued)
    const before = await serialsOf(pebble.tls)
    const config = configFor(pebble, 'http-01', ['a.example', 'c.blocked-domain.example'])
    await gateway.reload(config)
    const failure = await gateway.record(failed)
    expect(failure).toMatchObject({ level: 'error', names: ['a.example', 'c.blocked-domain.example'], failures: 1 })
    expect(failure.problem).toContain('blocked-domain.example')
    expect(failure.inUse).toMatch(/^a stored one for some of the names, /)
    expect(before).toEqual(expect.arrayContaining(await serialsOf(pebble.tls)))
    expect(gateway.process.ended()).toBe(false)
  }, 60_000)

  test('refuses handshakes in words until the first certificate comes', async () => {
    const pebble = await startPebble()
    const gateway = await startGateway(configFor(pebble, 'http-01', ['c.blocked-domain.example']))
    await gateway.record(failed)
    await expect(openTls(pebble.tls, { servername: 'c.blocked-domain.example' })).rejects.toThrow(/unrecognized name/)
    const record = await gateway.record(({ msg }) => msg === 'handshake')
    expect(record).toMatchObject({
      alert: 'unrecognized_name',
      cause: 'the certificate for this name has not been issued yet',
    })
  }, 60_000)
})
