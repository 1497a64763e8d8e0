import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { raw } from '../../helpers/client.ts'
import { type Json, shareGateway, startGateway } from '../../helpers/gateway.ts'
import { until } from '../../helpers/until.ts'
import { describeWith } from '../../peers/needs.ts'
import { openTls } from '../client.ts'
import { type Pebble, startPebble } from './pebble.ts'

/*
 * Takes longer than other tests: a gateway with two workers, whose certificates live for seconds. It listens where pebble
 * looks for names, so that its tests cannot have gateways at the same time.
 */

let pebble: Pebble
const ends: (() => void | Promise<void>)[] = []
beforeAll(async () => {
  pebble = await startPebble({ lifetime: 12, onFinished: (end) => void ends.push(end) })
}, 30_000)
afterAll(async () => {
  for (const end of ends) await end()
})

/** Everything on http is redirected to https. */
function configFor(challenge: 'http-01' | 'tls-alpn-01', names: readonly string[]): Json {
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

/** Records of orders for these names: they may come before the one that says that the configuration is in force. */
const issued = matching('certificate issued')
const failed = matching('certificate not issued')

function matching(event: string) {
  return (...names: readonly string[]) =>
    (record: Record<string, unknown>): boolean =>
      record.msg === event && isDeepStrictEqual(record.names, names)
}

/** Serial numbers that clients of a name see, over as many connections: workers take turns. */
async function serialsOf(servername: string, connections = 6): Promise<string[]> {
  const seen = new Set<string>()
  for (let i = 0; i < connections; i++) {
    const socket = await openTls(pebble.tls, { servername, rejectUnauthorized: false })
    seen.add(socket.getPeerCertificate().serialNumber)
    socket.destroy()
  }
  return [...seen]
}

describeWith(['pebble'], 'a gateway with two workers', () => {
  const gatewayWith = shareGateway()

  test.each([
    ['http-01', ['a.example', 'b.example']],
    ['tls-alpn-01', ['c.example']],
  ] as const)(
    'gets a certificate by %s beside a redirect of everything to https, and all workers use it without a reload',
    async (challenge, names) => {
      const gateway = await gatewayWith(configFor(challenge, names))
      await gateway.process.record(issued(...names))
      const [servername = ''] = names
      const socket = await openTls(pebble.tls, { servername, rejectUnauthorized: false })
      expect(socket.getPeerCertificate().subjectaltname).toBe(names.map((name) => `DNS:${name}`).join(', '))
      expect((await serialsOf(servername)).length).toBeLessThanOrEqual(2)
      const answer = await raw(pebble.http, 'GET /x HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n')
      expect(answer).toContain('location: https://a.example/x')
      expect(gateway.process.log().filter(failed(...names))).toEqual([])
      const folder = join(gateway.folder, 'acme')
      const modes = readdirSync(folder).map((file) => statSync(join(folder, file)).mode & 0o777)
      expect(new Set(modes)).toEqual(new Set([0o600]))
    },
  )

  test('keeps the certificate in use when the CA refuses a name that is added, and says so', async () => {
    const names = ['c.example', 'c.blocked-domain.example']
    const gateway = await gatewayWith(configFor('http-01', names))
    const failure = await gateway.process.record(failed(...names))
    expect(failure).toMatchObject({ level: 'error', failures: 1 })
    expect(failure.problem).toContain('blocked-domain.example')
    expect(failure.inUse).toMatch(/^a stored one for some of the names, /)
    expect(await serialsOf('c.example')).toHaveLength(1)
  })

  test('refuses handshakes in words until the first certificate comes', async () => {
    const gateway = await gatewayWith(configFor('http-01', ['e.blocked-domain.example']))
    const failure = await gateway.process.record(failed('e.blocked-domain.example'))
    expect(failure.inUse).toBe('none: handshakes for these names fail')
    await expect(openTls(pebble.tls, { servername: 'e.blocked-domain.example' })).rejects.toThrow(/unrecognized name/)
    const record = await gateway.record(({ msg }) => msg === 'handshake')
    expect(record).toMatchObject({
      alert: 'unrecognized_name',
      cause: 'the certificate for this name has not been issued yet',
    })
  })

  test('renews without a reload, also when all workers have died, whose successors have the certificate', async () => {
    const gateway = await gatewayWith(configFor('tls-alpn-01', ['f.example']))
    const orders = (): number => gateway.process.log().filter(issued('f.example')).length
    await until('an order', () => orders() >= 1, 60_000)
    const [first] = await serialsOf('f.example')
    // The one that leads is among them.
    for (const pid of gateway.process.workers()) {
      const known = gateway.process.log().length
      process.kill(pid, 'SIGKILL')
      await gateway.process.record(({ msg }) => msg === 'worker started', known)
      expect((await serialsOf('f.example')).length).toBeGreaterThan(0)
    }
    await until('a renewal', () => orders() >= 2, 60_000)
    expect(await serialsOf('f.example')).not.toContain(first)
  })
})

describeWith(['pebble'], 'when the worker that orders dies', () => {
  test('another one orders at once', async () => {
    const config = configFor('http-01', ['g.example'])
    const { listeners, routes } = config as { listeners: { web: Json }; routes: { redirected: Json } }
    const plain = { listeners: { web: listeners.web }, routes: { redirected: routes.redirected } }
    const gateway = await startGateway(plain)
    // The first one that serves leads.
    const { pid } = await gateway.record(({ msg }) => msg === 'worker started')
    const orders = (): number => pebble.said().split('/order-plz').length
    const before = orders()
    const reloaded = gateway.reload(config)
    await until('an order', () => orders() > before, 60_000)
    process.kill(Number(pid), 'SIGKILL')
    await reloaded.catch(() => {})
    await gateway.record(issued('g.example'))
    expect(gateway.log.filter(failed('g.example'))).toEqual([])
    expect(await serialsOf('g.example')).toHaveLength(1)
  })
})
