import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { echoBackend, tcpBackend } from '../helpers/backend.ts'
import { drained, open } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { createAuthority } from './certificates.ts'
import { helloOf, openTls, request } from './client.ts'
import { sslRequest, startup } from './postgres-stub.ts'

/** Says what it is told when a connection begins and ends, and refuses a server name. */
const doorman = `
import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'doorman',
  needs: ['log', 'fetch'],
  options: {
    type: 'object', additionalProperties: false, required: ['as'],
    properties: {
      as: { type: 'string' }, refuses: { type: 'string' }, status: { type: 'integer', default: 403 },
      reads: { type: 'array', items: { type: 'string' }, default: ['serverName'] },
      versions: { type: 'array', items: { type: 'string' } },
      waitsFor: { type: 'string', default: '' }, throws: { type: 'boolean', default: false },
    },
  },
  reads: ({ reads }) => reads.map((name) => 'tls.' + name),
  when: ({ versions }) => (versions === undefined ? {} : { tls: { version: versions } }),
  async onConnect({ connection: { tls }, options, log, fetch }) {
    log.info('came', { as: options.as, name: tls.serverName ?? '', version: tls.version ?? '' })
    if (options.waitsFor !== '') await fetch(options.waitsFor)
    if (options.throws) throw new Error('broken')
    if (options.refuses !== undefined && tls.serverName === options.refuses) return reply(options.status, { title: 'not here' })
  },
  onClose({ options, log }) { log.info('closed', { as: options.as, name: '', version: '' }) },
  onDisconnect({ connection: { tls }, options, log }) {
    log.info('left', { as: options.as, name: tls.serverName ?? '', version: tls.version ?? '' })
  },
})`

const authority = createAuthority()
const { ca } = authority
const web = authority.issue({ names: ['a.example', 'b.example'] })
const files = { 'plugins/doorman/index.ts': doorman, 'web.crt': web.chain, 'web.key': web.key }
const tls = { certificates: [{ cert: 'web.crt', key: 'web.key' }] }
const servername = 'a.example'

type Options = { readonly [name: string]: Json } & { readonly as: string }

function common(doormen: readonly Options[], fetch: Json[]): { [section: string]: { [name: string]: Json } } {
  return {
    policies: Object.fromEntries(doormen.map((options) => [options.as, { plugin: 'doorman', options }])),
    // The limit is time on the clock: enough for a busy machine.
    plugins: { doorman: { limits: { time: '1s' }, fetch } },
  }
}

async function onL7(
  doormen: readonly Options[],
  fetch: Json[] = [],
  more: Json = {},
): ReturnType<typeof startInProcess> {
  const listener = { protocol: 'https', tls, policies: doormen.map(({ as }) => as), ...(more as object) }
  const backend = await echoBackend()
  return startInProcess(httpConfig([backend.port], { ...common(doormen, fetch), listeners: { web: listener } }), files)
}

/** The first half of the doormen belongs to the listener, the others to the upstream. */
async function onL4(
  doormen: readonly Options[],
  fetch: Json[] = [],
  more: Json = {},
): ReturnType<typeof startInProcess> {
  const backend = await tcpBackend((socket) => void socket.end('here'))
  const names = doormen.map(({ as }) => as)
  const half = Math.ceil(names.length / 2)
  const backends = [{ address: `127.0.0.1:${backend.port}` }]
  return startInProcess(
    {
      ...common(doormen, fetch),
      listeners: {
        web: {
          protocol: 'tls',
          address: '127.0.0.1',
          port: 0,
          tls: { ...tls, ...(more as object) },
          policies: names.slice(0, half),
        },
      },
      routes: { all: { listener: 'web', upstream: 'pool' } },
      upstreams: { pool: { protocol: 'tcp', backends, health: false, policies: names.slice(half) } },
    },
    files,
  )
}

/** What was said so far, in order: `came a a.example 1.3`. */
function said({ log }: Pick<TestGateway, 'log'>): string[] {
  return log
    .filter(({ msg }) => msg === 'came' || msg === 'left' || msg === 'closed')
    .map(({ msg, fields }) => [msg, ...Object.values(fields as Record<string, string>)].join(' ').trim())
}

/** Longer than the second of vitest: the machine may be busy. */
const eventually = <T>(seen: () => T): ReturnType<typeof expect.poll<T>> => expect.poll(seen, { timeout: 15_000 })
const onHandshake = ({ msg }: Record<string, unknown>): boolean => msg === 'handshake'
const early = (as: string, more: object = {}): Options => ({ as, ...more })
const late = (as: string, more: object = {}): Options => ({ as, reads: ['serverName', 'version'], ...more })

describe.each([
  ['L7', onL7, 'left a a.example', 'left'],
  ['L4', onL4, 'closed a', 'closed'],
] as const)('on %s', (_, start, end, ended) => {
  test('the policies before the first one that needs the handshake run before it, that one and the later ones after it', async () => {
    const gateway = await start([early('a'), late('b'), early('c'), early('d')])
    const hello = await helloOf({ servername: 'A.example' })
    const half = await open(gateway.port('web'))
    half.write(hello)
    await eventually(() => said(gateway)).toEqual(['came a a.example'])
    half.destroy()
    await eventually(() => said(gateway)).toEqual(['came a a.example', end])
    expect(await gateway.record(onHandshake)).toMatchObject({ outcome: 'DC', serverName: 'a.example' })
    const socket = await openTls(gateway.port('web'), { ca, servername })
    const came = ['came a a.example', 'came b a.example 1.3', 'came c a.example', 'came d a.example']
    await eventually(() => said(gateway).slice(2, 6)).toEqual(came)
    socket.destroy()
    await eventually(() =>
      said(gateway)
        .slice(6)
        .map((line) => line.slice(0, ended.length + 2)),
    ).toEqual(['a', 'b', 'c', 'd'].map((as) => `${ended} ${as}`))
    expect(gateway.log.filter(onHandshake)).toHaveLength(1)
  })

  test('a refusal before the handshake is an alert, with a record', async () => {
    const gateway = await start([early('a'), early('b', { refuses: 'a.example' }), late('c')])
    const refused = openTls(gateway.port('web'), { ca, servername })
    await expect(refused).rejects.toThrow(/alert access denied/)
    expect(await gateway.record(onHandshake)).toMatchObject({
      ...{ listener: 'web', serverName: 'a.example', alert: 'access_denied', outcome: 'PD:doorman' },
      cause: 'policy "b" refuses the connection: not here',
    })
    await eventually(() => said(gateway).filter((line) => line.startsWith(ended))).toHaveLength(2)
    expect(said(gateway).filter((line) => line.startsWith('came'))).toEqual(['came a a.example', 'came b a.example'])
    await openTls(gateway.port('web'), { ca, servername: 'b.example' })
    expect(gateway.log.filter(({ msg }) => msg === 'request' || msg === 'connection')).toEqual([])
  })

  test.each([
    ['a limit', { refuses: 'a.example', status: 429 }, { outcome: 'RL', level: 'info' }],
    ['a failure', { throws: true }, { outcome: 'PE:doorman', level: 'warn' }],
  ])('so is %s', async (_, options, record) => {
    const gateway = await start([early('a', options)])
    await expect(openTls(gateway.port('web'), { ca, servername })).rejects.toThrow(/alert access denied/)
    expect(await gateway.record(onHandshake)).toMatchObject({ ...record, alert: 'access_denied' })
  })

  test('a trigger needs the handshake too', async () => {
    const gateway = await start([early('a', { versions: ['1.2'] }), early('b', { versions: ['1.3'] })])
    const half = await open(gateway.port('web'))
    half.write(await helloOf({ servername }))
    half.end()
    await gateway.record(onHandshake)
    expect(said(gateway)).toEqual([])
    await openTls(gateway.port('web'), { ca, servername, maxVersion: 'TLSv1.2' })
    await eventually(() => said(gateway)).toEqual(['came a a.example'])
    await openTls(gateway.port('web'), { ca, servername })
    await eventually(() => said(gateway)).toEqual(['came a a.example', 'came b a.example'])
  })

  test('a policy that waits holds up the handshake; a client that does not wait, and the end of the gateway, cancel it', async () => {
    let release: (() => void) | undefined
    const slow = await tcpBackend((socket) => {
      socket.once('data', () => {
        release = () => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
      })
    })
    const origin = `http://127.0.0.1:${slow.port}`
    const gateway = await start([early('a', { waitsFor: `${origin}/` }), late('b')], [origin])
    const opening = openTls(gateway.port('web'), { ca, servername })
    await eventually(() => release).toBeDefined()
    expect(said(gateway)).toEqual(['came a a.example'])
    release!()
    await opening
    await eventually(() => said(gateway)).toHaveLength(2)
    release = undefined
    const waiting = openTls(gateway.port('web'), { ca, servername }).catch((error: Error) => error)
    await eventually(() => release).toBeDefined()
    gateway.gateway.close()
    expect(await waiting).toBeInstanceOf(Error)
  })

  test('connections that are refused leave nothing behind', async () => {
    const gateway = await start([early('a', { refuses: 'a.example' })])
    const hello = await helloOf({ servername })
    for (let i = 0; i < 10; i++) {
      const answers = Array.from({ length: 20 }, async () => {
        const socket = await open(gateway.port('web'))
        const answer = drained(socket)
        socket.end(hello)
        return answer
      })
      for (const answer of await Promise.all(answers)) expect(answer).toBe('\x15\x03\x03\0\x02\x02\x31')
    }
    expect(gateway.log.filter(onHandshake)).toHaveLength(200)
    await gateway.drain()
  })
})

test('after the handshake an http client gets the refusal as its answer', async () => {
  const gateway = await onL7([early('a'), late('b', { refuses: 'a.example' })])
  const answer = await request(gateway.port('web'), { ca, servername })
  expect(answer).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/)
  expect(await gateway.record(({ msg }) => msg === 'request')).toMatchObject({
    ...{ outcome: 'PD:doorman', status: 403, tls: { serverName: 'a.example', version: '1.3' } },
  })
})

test('after the handshake an L4 connection is closed, with its own record', async () => {
  const gateway = await onL4([early('a'), late('b', { refuses: 'a.example' })])
  const socket = await openTls(gateway.port('web'), { ca, servername })
  await new Promise((resolve) => socket.once('close', resolve))
  expect(await gateway.record(({ msg }) => msg === 'connection')).toMatchObject({
    ...{
      outcome: 'PD:doorman',
      tls: { serverName: 'a.example', version: '1.3', cipher: expect.any(String) as string },
    },
  })
})

test('an L4 connection that no policy refuses is forwarded', async () => {
  for (const doormen of [[], [early('a'), early('b')], [late('a'), early('b')], [early('a'), late('b')]]) {
    const gateway = await onL4(doormen)
    const socket = await openTls(gateway.port('web'), { ca, servername })
    expect(await drained(socket)).toBe('here')
    expect(said(gateway).filter((line) => line.startsWith('came'))).toHaveLength(doormen.length)
  }
})

test('so it is for clients that ask for TLS first; those that do not ask, where they need not, have none', async () => {
  const gateway = await onL4([early('a', { refuses: 'a.example' }), late('b')], [], {
    starttls: 'postgres',
    plain: true,
  })
  const asking = await open(gateway.port('web'))
  asking.write(sslRequest)
  expect(((await once(asking, 'data')) as [Buffer])[0].toString()).toBe('S')
  asking.write(await helloOf({ servername }))
  expect(await drained(asking)).toBe('\x15\x03\x03\0\x02\x02\x31')
  expect(said(gateway)).toEqual(['came a a.example', 'closed a'])
  const plain = await open(gateway.port('web'))
  plain.write(startup)
  expect(await drained(plain)).toBe('here')
  expect(said(gateway).slice(2, 4)).toEqual(['came a', 'came b'])
})

test('an L4 policy may demand a certificate, and its names', async () => {
  const people = createAuthority('People')
  const issue = (name: string): object => {
    const { chain, key } = people.issue({ names: [`URI:spiffe://example/${name}`], usage: 'client' })
    return { ca, servername, cert: chain, key }
  }
  const backend = await tcpBackend((socket) => void socket.end('here'))
  const guard = `
import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'guard',
  reads: ['tls.client.verified', 'tls.client.san'],
  onConnect({ connection: { tls: { client } } }) {
    if (client.verified !== true || !client.san?.includes('URI:spiffe://example/a')) return reply(403)
  },
})`
  const clientCertificate = { mode: 'request', ca: ['people.crt'] }
  const listener = {
    protocol: 'tls',
    address: '127.0.0.1',
    port: 0,
    tls: { ...tls, clientCertificate },
    policies: ['g'],
  }
  const gateway = await startInProcess(
    {
      listeners: { web: listener },
      routes: { all: { listener: 'web', upstream: 'pool' } },
      upstreams: { pool: { protocol: 'tcp', backends: [{ address: `127.0.0.1:${backend.port}` }], health: false } },
      policies: { g: { plugin: 'guard' } },
    },
    { ...files, 'people.crt': people.cert, 'plugins/guard/index.ts': guard },
  )
  const { chain, key } = createAuthority('People').issue({ names: ['URI:spiffe://example/a'], usage: 'client' })
  for (const [options, text] of [
    [issue('a'), 'here'],
    [issue('b'), ''],
    [{ ca, servername, cert: chain, key }, ''],
    [{ ca, servername }, ''],
  ] as const) {
    expect(await request(gateway.port('web'), options)).toBe(text)
  }
  const records = await until('the records', () => {
    const all = gateway.log.filter(({ msg }) => msg === 'connection')
    return all.length === 4 && all
  })
  const verified = records.map(({ tls }) => (tls as { client?: { verified: boolean } }).client?.verified)
  expect(verified).toEqual([true, true, false, undefined])
})
