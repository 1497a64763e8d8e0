import { join } from 'node:path'
import type { SecureVersion } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { type BinaryGateway, httpConfig, type Json, shareGateway, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { describeWith } from '../peers/needs.ts'
import { createAuthority } from './certificates.ts'
import { openssl } from './openssl.ts'
import { type Visit, visit } from './visit.ts'

const share = shareGateway()

const authority = createAuthority()
const site = authority.issue({ names: ['localhost', 'other.example'] })
const files = { 'site.pem': site.chain, 'site.key': site.key }
const versions = ['TLSv1.3', 'TLSv1.2'] as const

type Tls = { [key: string]: Json }

/** Listeners over TLS, with one certificate. Nothing answers behind them: that is an answer too. */
function configWith(listeners: { [name: string]: Tls } = {}): Json {
  const certificates = [{ cert: 'site.pem', key: 'site.key' }]
  const https = (tls: Tls = {}): Json => {
    return { protocol: 'https', address: '127.0.0.1', port: 0, tls: { certificates, ...tls } }
  }
  const names = ['web', 'other', 'without']
  return {
    listeners: {
      web: https(listeners.web),
      other: https(listeners.other),
      without: https({ tickets: false }),
    },
    routes: Object.fromEntries(names.map((listener) => [listener, { listener, upstream: 'none' }])),
    upstreams: { none: { backends: [{ address: '127.0.0.1:9' }], health: false } },
  }
}

let gateway: BinaryGateway | undefined

/** The one of this file; a test that needs another configuration reloads it. */
async function serve(): Promise<BinaryGateway> {
  gateway ??= await share(configWith(), files)
  return gateway
}

const answered = { resumed: false, text: expect.stringMatching(/^HTTP\/1\.1 50\d /) as string }

const at = (port: number, version: SecureVersion, session?: Buffer, servername = 'localhost'): Promise<Visit> =>
  visit(port, {
    minVersion: version,
    maxVersion: version,
    ca: authority.cert,
    servername,
    ...(session && { session }),
  })

/** Kills a worker and waits until another one serves in its place. */
async function replace({ process: { workers } }: BinaryGateway, victim: number): Promise<void> {
  process.kill(victim, 'SIGKILL')
  await until('another worker', () => workers().length === 2 && !workers().includes(victim))
}

test('a session resumes in every worker, and when all that were there have died', async () => {
  const gateway = await serve()
  const port = gateway.port('web')
  const sessions = await Promise.all(
    versions.map(async (version) => {
      const first = await at(port, version)
      expect(first).toMatchObject(answered)
      return [version, first.session] as const
    }),
  )
  const expectResumed = async (): Promise<void> => {
    for (const [version, session] of sessions) expect(await at(port, version, session)).toMatchObject({ resumed: true })
  }
  // So many connections never all come to the same worker.
  for (let i = 0; i < 10; i++) await expectResumed()
  for (const victim of gateway.process.workers()) {
    await replace(gateway, victim)
    await expectResumed()
  }
})

describeWith(['openssl'], 'openssl s_client -reconnect', () => {
  test('says Reused, with two workers', async () => {
    const gateway = await serve()
    const port = gateway.port('web')
    const of12 = await openssl(port, ['-tls1_2', '-reconnect'])
    expect(of12.match(/^(New|Reused), TLSv1\.2/gm)).toEqual(['New, TLSv1.2', ...Array(5).fill('Reused, TLSv1.2')])
    // With TLS 1.3 tickets follow the handshake, and -reconnect does not wait for them.
    const file = join(gateway.folder, 'session')
    const get = 'GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'
    const talk = (...args: string[]): Promise<string> => openssl(port, ['-tls1_3', '-ign_eof', ...args], get)
    expect(await talk('-sess_out', file)).toMatch(/New, TLSv1\.3[\s\S]*HTTP\/1\.1 50/)
    for (let i = 0; i < 6; i++) expect(await talk('-sess_in', file)).toMatch(/Reused, TLSv1\.3[\s\S]*HTTP\/1\.1 50/)
  })
})

describe('a session does not resume', () => {
  test.each(versions)('for another name, at another listener, with "tickets": false (%s)', async (version) => {
    const gateway = await serve()
    const { session } = await at(gateway.port('web'), version)
    expect(await at(gateway.port('web'), version, session, 'other.example')).toMatchObject(answered)
    expect(await at(gateway.port('other'), version, session)).toMatchObject(answered)
    const own = await at(gateway.port('without'), version)
    for (let i = 0; i < 4; i++) {
      expect(await at(gateway.port('without'), version, own.session)).toMatchObject(answered)
    }
    expect(await at(gateway.port('without'), version, session)).toMatchObject(answered)
    expect(await at(gateway.port('web'), version, session)).toMatchObject({ resumed: true })
  })

  test('when the listener has other ciphers since (TLS 1.2)', async () => {
    const of = (ciphers: string): Json => {
      const tls = { certificates: [{ cert: 'site.pem', key: 'site.key' }], ciphers }
      return httpConfig([9], { listeners: { web: { protocol: 'https', tls } } })
    }
    const running = await startInProcess(of('ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-GCM-SHA384'), files)
    const options = { ca: authority.cert, maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA:AES256' } as const
    const { session } = await visit(running.port('web'), options)
    expect(await visit(running.port('web'), { ...options, session })).toMatchObject({ resumed: true })
    await running.reload(of('ECDHE-ECDSA-AES256-GCM-SHA384'))
    expect(await visit(running.port('web'), { ...options, session })).toMatchObject(answered)
  })
})
