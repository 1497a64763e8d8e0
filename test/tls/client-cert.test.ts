import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { send } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { createAuthority, type Issued } from './certificates.ts'
import { openTls, request } from './client.ts'
import { visit } from './visit.ts'

const authority = createAuthority('Servers')
const { ca } = authority
const server = authority.issue({ names: ['localhost', 'a.example', 'b.example'] })
const people = createAuthority('People')
const team = people.intermediate('Team')
const alice = team.issue({ subject: [['CN', 'alice']], names: [], usage: 'client' })
const mallory = createAuthority('People').issue({ subject: [['CN', 'alice']], names: [], usage: 'client' })

/** Writes what it may not. */
const forger = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'forger',
  writes: ['header:client-cert', 'header:client_cert', 'header:client-cert-chain'],
  onRequest({ request }) {
    for (const name of ['client-cert', 'client_cert', 'client-cert-chain']) request.setHeader(name, ':AA==:')
  },
})`

const files = {
  'web.crt': server.chain,
  'web.key': server.key,
  'people.crt': people.cert,
  'plugins/forger/index.ts': forger,
}

interface Settings {
  readonly clientCertificate?: { readonly [name: string]: Json }
  readonly listener?: { readonly [name: string]: Json }
}

async function gateway({ clientCertificate = {}, listener = {} }: Settings = {}): Promise<TestGateway> {
  const rules: Json = { mode: 'request', ca: ['people.crt'], ...clientCertificate }
  const tls: Json = { certificates: [{ cert: 'web.crt', key: 'web.key' }], clientCertificate: rules }
  const web: Json = { protocol: 'https', tls, ...listener }
  const policies: Json = { f: { plugin: 'forger', options: {} } }
  const config = httpConfig([(await echoBackend()).port], { listeners: { web } }) as { [section: string]: Json }
  return startInProcess(listener.policies === undefined ? config : { ...config, policies }, files)
}

const as = ({ chain, key }: Issued): object => ({ ca, cert: chain, key })

/** Every way of saying it. */
const forged = [
  ...['Client-Cert: :AA==:', 'client-cert: :AQ==:', 'CLIENT_CERT: :AA==:', 'Client-Cert-Chain: :AA==:'],
  ...['client_cert_chain: :AA==:', 'Client-Cert_Chain: :AA==:', 'client_cert-chain: :AA==:'],
]

/** What the backend sees of it, by name. */
async function seen(port: number, options: object, ...lines: string[]): Promise<Record<string, string>> {
  const head = ['GET / HTTP/1.1', 'host: localhost', ...lines, 'connection: close', '', '']
  const answer = await request(port, options, head.join('\r\n'))
  return certFields(answer)
}

function certFields(answer: string): Record<string, string> {
  expect(answer).toContain('HTTP/1.1 200 ')
  const { headers } = JSON.parse(/\{.*\}/s.exec(answer)![0]) as { headers: Record<string, string> }
  return Object.fromEntries(Object.entries(headers).filter(([name]) => /^client.cert/.test(name)))
}

const sequence = (der: Buffer): string => `:${der.toString('base64')}:`
const ofAlice = {
  'client-cert': sequence(alice.der),
  'client-cert-chain': [team, people].map(({ der }) => sequence(der)).join(', '),
}

describe('Client-Cert', () => {
  test('is the certificate of a client that is verified, and nothing else', async () => {
    const { port } = await gateway({ clientCertificate: { forward: true } })
    const web = port('web')
    expect(await seen(web, as(alice))).toEqual(ofAlice)
    expect(await seen(web, as(alice), ...forged)).toEqual(ofAlice)
    expect(await seen(web, as(mallory), ...forged)).toEqual({})
    expect(await seen(web, { ca }, ...forged)).toEqual({})
  })

  test('cannot be taken away, or come from a trailer', async () => {
    const { port } = await gateway({ clientCertificate: { forward: true } })
    expect(await seen(port('web'), as(alice), 'connection: client-cert, client-cert-chain')).toEqual(ofAlice)
    const lines = ['POST / HTTP/1.1', 'host: localhost', 'transfer-encoding: chunked', 'connection: close', '']
    const text = [...lines, '0', 'client-cert: :AA==:', '', ''].join('\r\n')
    expect(certFields(await request(port('web'), { ca }, text))).toEqual({})
  })

  test('is that of every request of the connection, and of a session that is resumed', async () => {
    const { port } = await gateway({ clientCertificate: { forward: true } })
    const get = 'GET / HTTP/1.1\r\nhost: localhost\r\n'
    const answers = await request(port('web'), as(alice), `${get}\r\n${get}connection: close\r\n\r\n`)
    expect(answers.split(`"client-cert":"${ofAlice['client-cert']}"`)).toHaveLength(3)
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const options = { ...as(alice), maxVersion }
      const { session } = await visit(port('web'), options)
      const again = await visit(port('web'), { ...options, session })
      expect(again.resumed).toBe(true)
      expect(certFields(again.text)['client-cert']).toBe(ofAlice['client-cert'])
    }
  })

  test('can be turned on while connections are open, and sessions are kept', async () => {
    const running = await gateway()
    const socket = await openTls(running.port('web'), as(alice))
    const { session } = await visit(running.port('web'), as(alice))
    const config = JSON.parse(readFileSync(join(running.folder, 'gateway.json'), 'utf8')) as {
      listeners: { web: { tls: { clientCertificate: { forward?: boolean } } } }
    }
    config.listeners.web.tls.clientCertificate.forward = true
    await running.reload(config as Json)
    let text = ''
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString()
    })
    socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
    expect(certFields(await until('the answer', () => text.includes('}') && text))).toEqual(ofAlice)
    expect((await visit(running.port('web'), { ...as(alice), session })).resumed).toBe(true)
  })

  test('is not sent unless it is asked for, and that of a client never is', async () => {
    const { port } = await gateway()
    expect(await seen(port('web'), as(alice))).toEqual({})
    expect(await seen(port('web'), as(alice), ...forged)).toEqual({})
    const plain = await startInProcess(httpConfig([(await echoBackend()).port]))
    const headers = { 'client-cert': ':AA==:', client_cert: ':AA==:', 'client-cert-chain': ':AA==:' }
    const answer = await send(plain.port('web'), '/', { headers })
    expect(answer.body).not.toMatch(/client.cert/)
  })

  test('of a proxy that is trusted goes on, unless the gateway says it itself', async () => {
    const listener = { trustedProxies: ['127.0.0.1'] }
    const { port } = await gateway({ listener })
    expect(await seen(port('web'), as(alice), 'client-cert: :AA==:')).toEqual({ 'client-cert': ':AA==:' })
    const own = await gateway({ listener, clientCertificate: { forward: true } })
    expect(await seen(own.port('web'), as(alice), ...forged)).toEqual(ofAlice)
    expect(await seen(own.port('web'), { ca }, ...forged)).toEqual({})
  })

  test('cannot be written by a policy where the gateway says it', async () => {
    const own = await gateway({ clientCertificate: { forward: true }, listener: { policies: ['f'] } })
    expect(await seen(own.port('web'), as(alice))).toEqual(ofAlice)
    expect(await seen(own.port('web'), as(mallory))).toEqual({})
    const { port } = await gateway({ listener: { policies: ['f'] } })
    expect(Object.keys(await seen(port('web'), { ca })).sort()).toEqual([
      'client-cert',
      'client-cert-chain',
      'client_cert',
    ])
  })
})

describe('a request for another host than that of the handshake', () => {
  const ask = async (running: TestGateway, servername: string, head: string): Promise<number> => {
    const answer = await request(running.port('web'), options(servername), `${head}\r\nconnection: close\r\n\r\n`)
    return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)![1])
  }
  const get = (host: string): string => `GET / HTTP/1.1\r\nhost: ${host}`
  // Without a name the client of node compares the address.
  const options = (servername: string): object => ({ ca, servername, checkServerIdentity: () => undefined })

  test('is refused where clients are asked for certificates, and its connection goes on', async () => {
    const running = await gateway()
    const two = `${get('b.example')}\r\n\r\n${get('a.example')}\r\nconnection: close\r\n\r\n`
    const answer = await request(running.port('web'), { ca, servername: 'a.example' }, two)
    expect(answer).toMatch(/^HTTP\/1\.1 421 Misdirected Request\r\n/)
    expect(answer).toContain('The TLS handshake of this connection was for another host: use a connection of its own.')
    expect(answer).toContain('HTTP/1.1 200 OK')
    expect(await running.record(({ status }) => status === 421)).toMatchObject({
      ...{ outcome: 'NR', host: 'b.example', level: 'info', tls: { serverName: 'a.example' } },
      cause: 'the request is for the host "b.example", and the TLS handshake was for "a.example"',
    })
  })

  test.each([
    ['a.example', get('a.example'), 200],
    ['A.Example', get('a.EXAMPLE:8443'), 200],
    ['a.example', get('a.example.'), 200],
    ['a.example', get('x.a.example'), 421],
    ['a.example', get('[::1]'), 421],
    ['a.example', get('127.0.0.1'), 421],
    ['a.example', 'GET https://b.example/ HTTP/1.1\r\nhost: a.example', 421],
    ['a.example', 'GET https://a.example/ HTTP/1.1\r\nhost: b.example', 200],
    ['a.example', 'GET / HTTP/1.0', 200],
    ['', get('b.example'), 200],
  ])('handshake for %j, %j: %i', async (servername, head, status) => {
    expect(await ask(await gateway(), servername, head)).toBe(status)
  })

  test('is served where clients are not asked, and from a proxy that is trusted', async () => {
    const tls: Json = { certificates: [{ cert: 'web.crt', key: 'web.key' }] }
    const config = httpConfig([(await echoBackend()).port], { listeners: { web: { protocol: 'https', tls } } })
    expect(await ask(await startInProcess(config, files), 'a.example', get('b.example'))).toBe(200)
    const trusted = await gateway({ listener: { trustedProxies: ['127.0.0.1'] } })
    expect(await ask(trusted, 'a.example', get('b.example'))).toBe(200)
  })
})

describe('a strange certificate', () => {
  const seer = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'seer',
  reads: ['tls.client.subject', 'tls.client.issuer', 'tls.client.san', 'tls.client.verified'],
  writes: ['header:x-seen'],
  onRequest({ request, connection: { tls: { client } } }) {
    const { subject = '', issuer = '', san = [], verified } = client
    const name = subject.length > 300 ? subject.length : subject
    request.setHeader('x-seen', encodeURIComponent(JSON.stringify([name, issuer.length, san, verified])))
  },
})`

  test.each([
    ['UTF-8', 'Zoë 名 😀', 'CN=Zoë 名 😀'],
    ['a line end', 'a\r\nx-evil: 1', 'CN=a\\0D\\0Ax-evil: 1'],
    ['a NUL', 'root\0.example', 'CN=root\\00.example'],
    ['a terminal escape', '\x1b[31m', 'CN=\\1B[31m'],
    ['another name', 'a,CN=root', 'CN=a\\,CN=root'],
    ['separators of the sandbox', '\x1c\x1d\x1e\x1f', 'CN=\\1C\\1D\\1E\\1F'],
    ['10 KB', 'x'.repeat(10_240), 10_243],
  ])('with %s in its subject is served, and recorded in one line', async (_, name, expected) => {
    const own = people.issue({ subject: [['CN', name]], names: ['URI:a\nb, DNS:c'], usage: 'client' })
    const rules: Json = { mode: 'require', ca: ['people.crt'] }
    const tls: Json = { certificates: [{ cert: 'web.crt', key: 'web.key' }], clientCertificate: rules }
    const running = await startInProcess(
      httpConfig([(await echoBackend()).port], {
        listeners: { web: { protocol: 'https', tls, policies: ['s'] } },
        policies: { s: { plugin: 'seer' } },
      }),
      { ...files, 'plugins/seer/index.ts': seer },
    )
    const answer = await request(running.port('web'), as(own))
    const { headers } = JSON.parse(/\{.*\}/s.exec(answer)![0]) as { headers: Record<string, string> }
    const issuer = 'CN=People'.length
    expect(JSON.parse(decodeURIComponent(headers['x-seen']!))).toEqual([expected, issuer, ['URI:a\nb, DNS:c'], true])
    expect(headers['x-evil']).toBeUndefined()
    const { tls: record } = await running.record(({ msg }) => msg === 'request')
    const { subject } = (record as { client: { subject: string } }).client
    expect(subject).toBe(typeof expected === 'string' ? expected : `CN=${'x'.repeat(253)}`)
  })
})
