import { execFile, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { send } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { describeWith } from '../peers/needs.ts'
import { startNginx } from '../peers/nginx.ts'
import { temporaryFolder } from '../peers/peer.ts'
import { createAuthority } from './certificates.ts'

const authority = createAuthority('Servers')
const server = authority.issue({ names: ['a.example', 'b.example'] })
const people = createAuthority('People')
const team = people.intermediate('Team')
const subject = [
  ['O', 'Example, Inc.'],
  ['CN', 'Zoë'],
] as const
const zoe = team.issue({
  subject,
  names: ['zoe.example', 'URI:spiffe://example/zoe', '192.0.2.1'],
  usage: 'client',
  serial: 0xab1c2d3n,
})

/** Tells the backend what it is told. */
const teller = `
import { definePlugin } from 'postern/sdk'
const reads = ['serverName', 'version', 'cipher', 'alpn', 'client.verified', 'client.subject', 'client.issuer',
  'client.serial', 'client.san', 'client.fingerprint']
export default definePlugin({
  name: 'teller',
  reads: reads.map((name) => 'tls.' + name),
  writes: ['header:x-tls'],
  when: { tls: { serverName: ['*.example'], client: { verified: true, san: ['DNS:zoe.example'] } } },
  onRequest({ request, connection: { tls } }) {
    const { serverName, version, cipher, alpn, client: { verified, subject, issuer, serial, san, fingerprint } } = tls
    const client = { verified, subject, issuer, serial, san, fingerprint }
    request.setHeader('x-tls', JSON.stringify({ serverName, version, cipher, alpn, client }))
  },
})`

const files = {
  'web.crt': server.chain,
  'web.key': server.key,
  'people.crt': people.cert,
  'plugins/teller/index.ts': teller,
}

async function gateway(listener: { readonly [name: string]: Json } = {}): Promise<TestGateway> {
  const clientCertificate = { mode: 'require', ca: ['people.crt'], forward: true }
  const tls: Json = { certificates: [{ cert: 'web.crt', key: 'web.key' }], clientCertificate }
  const config = httpConfig([(await echoBackend()).port], {
    listeners: { web: { protocol: 'https', tls, policies: ['t'], ...listener } },
    policies: { t: { plugin: 'teller', options: {} } },
  })
  return startInProcess(config, files)
}

/** Files of a client, for programs. */
function written(): Readonly<Record<'ca' | 'cert' | 'key', string>> {
  const folder = temporaryFolder()
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  return { ca: file('ca.pem', authority.cert), cert: file('own.pem', zoe.chain), key: file('own.key', zoe.key) }
}

const told = (version: string): object => ({
  ...{ serverName: 'a.example', version, cipher: expect.stringMatching(/^(?:TLS_|ECDHE-)/) as string },
  client: {
    verified: true,
    subject: 'CN=Zoë,O=Example\\, Inc.',
    issuer: 'CN=Team',
    serial: '0AB1C2D3',
    san: ['DNS:zoe.example', 'URI:spiffe://example/zoe', 'IP:192.0.2.1'],
    fingerprint: expect.stringMatching(/^[\da-f]{64}$/) as string,
  },
})

/** What a backend saw. */
function seen(body: string): { readonly tls: unknown; readonly cert: string; readonly chain: string } {
  const { headers } = JSON.parse(body) as { headers: Record<string, string> }
  const tls = Buffer.from(headers['x-tls'] ?? 'null', 'latin1').toString()
  return { tls: JSON.parse(tls), cert: headers['client-cert'] ?? '', chain: headers['client-cert-chain'] ?? '' }
}

const sequence = (der: Buffer): string => `:${der.toString('base64')}:`

describeWith(['curl'], 'curl with a certificate', () => {
  const run = async (port: number, ...args: readonly string[]): Promise<string> => {
    const { ca, cert, key } = written()
    const common = ['-q', '-sS', '--noproxy', '*', '--max-time', '20', '--resolve', `a.example:${port}:127.0.0.1`]
    const own = ['--cacert', ca, '--cert', cert, '--key', key]
    const { stdout } = await promisify(execFile)('curl', [...common, ...own, ...args, `https://a.example:${port}/`])
    return stdout
  }

  test.each([
    ['1.2', ['--tlsv1.2', '--tls-max', '1.2']],
    ['1.3', ['--tlsv1.3']],
  ])('is known to policies and to the backend, with TLS %s', async (version, args) => {
    const { port, record } = await gateway()
    const { tls, cert, chain } = seen(await run(port('web'), ...args))
    expect(tls).toEqual({ ...told(version), alpn: 'h2' })
    expect(cert).toBe(sequence(zoe.der))
    expect(chain).toBe([team, people].map(({ der }) => sequence(der)).join(', '))
    expect((await record(({ msg }) => msg === 'request')).tls).toEqual({ ...told(version), alpn: 'h2' })
  })

  test('is told that it is on the wrong connection', async () => {
    const { port } = await gateway()
    expect(await run(port('web'), '-H', 'Host: b.example', '-w', '%{http_code}')).toMatch(/421$/)
    expect(await run(port('web'), '-H', 'Host: a.example', '-w', '%{http_code}', '-o', '/dev/null')).toBe('200')
  })
})

describeWith(['openssl'], 'openssl with a certificate', () => {
  test('is known, with and without a server name', async () => {
    const { port } = await gateway()
    const { ca, cert, key } = written()
    for (const [name, expected] of [
      [['-servername', 'a.example'], told('1.3')],
      // The trigger is for names.
      [['-noservername'], null],
    ] as const) {
      const own = ['-CAfile', ca, '-cert', cert, '-cert_chain', cert, '-key', key]
      const args = ['s_client', '-quiet', '-connect', `127.0.0.1:${port('web')}`, ...own]
      const child = spawn('openssl', [...args, ...name], { stdio: ['pipe', 'pipe', 'ignore'] })
      onTestFinished(() => void child.kill('SIGKILL'))
      let text = ''
      child.stdout.on('data', (bytes: Buffer) => {
        text += bytes.toString()
      })
      child.stdin.write('GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n')
      const body = await until('an answer', () => /\{.*\}$/s.exec(text)?.[0])
      expect(seen(body)).toMatchObject({ tls: expected, cert: sequence(zoe.der) })
    }
  })
})

describeWith(['nginx'], 'nginx in front, with a certificate', () => {
  const front = (port: number): Promise<{ port: number }> => {
    const { cert, key } = written()
    return startNginx(`
      location / {
        proxy_pass https://127.0.0.1:${port}; proxy_http_version 1.1; proxy_set_header Host $http_host;
        proxy_ssl_protocols TLSv1.3; proxy_ssl_server_name on; proxy_ssl_name a.example; proxy_ssl_certificate ${cert}; proxy_ssl_certificate_key ${key};
      }`)
  }

  test('sends requests for all hosts when it is trusted; of another client they are refused', async () => {
    const trusted = await gateway({ trustedProxies: ['127.0.0.1'] })
    const proxy = await front(trusted.port('web'))
    const headers = { host: 'b.example', 'client-cert': ':AA==:' }
    expect(seen((await send(proxy.port, '/', { headers })).body)).toMatchObject({
      ...{ tls: told('1.3'), cert: sequence(zoe.der) },
    })
    const other = await front((await gateway()).port('web'))
    expect((await send(other.port, '/', { headers })).status).toBe(421)
    expect((await send(other.port, '/', { headers: { host: 'a.example' } })).status).toBe(200)
  })
})
