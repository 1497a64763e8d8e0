import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { open, send } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { startHaproxy } from '../peers/haproxy.ts'
import { describeWith } from '../peers/needs.ts'
import { startNginx } from '../peers/nginx.ts'
import { startPeer, temporaryFolder } from '../peers/peer.ts'
import { createAuthority, type Issued } from './certificates.ts'

const ca = createAuthority()
const between = ca.intermediate()
const leaf = between.issue({ names: ['app.internal', '127.0.0.1'], key: 'rsa' })
const own = ca.issue({ names: ['gateway.internal'], usage: 'client' })
const stranger = createAuthority('Another CA').issue({ names: ['gateway.internal'], usage: 'client' })

/** Files of a server that asks for a certificate, by their use. */
function written(): Readonly<Record<'cert' | 'key' | 'both' | 'ca', string>> {
  const folder = temporaryFolder()
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  return {
    cert: file('cert.pem', leaf.chain),
    key: file('key.pem', leaf.key),
    both: file('both.pem', leaf.chain + leaf.key),
    ca: file('ca.pem', ca.cert),
  }
}

const tls: Json = { ca: 'ca.pem', serverName: 'app.internal', cert: 'own.pem', key: 'own.key' }

function filesOf({ chain, key }: Issued): Record<string, string> {
  return { 'ca.pem': ca.cert, 'own.pem': chain, 'own.key': key }
}

function gatewayTo(port: number, shown = own): Promise<TestGateway> {
  const config = httpConfig([], { upstreams: { app: { backends: [{ address: `127.0.0.1:${port}` }], tls } } })
  return startInProcess(config, filesOf(shown))
}

async function failure(gateway: TestGateway): Promise<unknown> {
  expect((await send(gateway.port('web'), '/')).status).toBe(502)
  const { outcome, cause } = await gateway.record(({ msg }) => msg === 'request')
  return [outcome, cause]
}

describeWith(['nginx'], 'nginx as a backend over TLS that wants a certificate', () => {
  const server = (): string => {
    const { cert, key, ca: authority } = written()
    return `
    ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate ${cert}; ssl_certificate_key ${key}; ssl_session_cache shared:s:1m;
    ssl_verify_client on; ssl_client_certificate ${authority};
    location / { return 200 "$ssl_server_name $ssl_client_s_dn $ssl_protocol $ssl_session_reused"; }
    location /close { keepalive_timeout 0; return 200 "$ssl_session_reused"; }`
  }

  test('gets it, with the server name, and resumes the session', async () => {
    const { port } = await startNginx(server(), '', 'ssl')
    const gateway = await gatewayTo(port)
    expect((await send(gateway.port('web'), '/')).body).toBe('app.internal CN=gateway.internal TLSv1.3 .')
    expect((await send(gateway.port('web'), '/close')).body).toBe('.')
    expect((await send(gateway.port('web'), '/')).body).toMatch(/ r$/)
  })

  test('answers 400 to the wrong one, which is its answer', async () => {
    const { port } = await startNginx(server(), '', 'ssl')
    const gateway = await gatewayTo(port, stranger)
    expect(await send(gateway.port('web'), '/')).toMatchObject({ status: 400, body: /SSL certificate error/ })
  })
})

describeWith(['haproxy'], 'HAProxy as a backend over TLS that wants a certificate', () => {
  async function start(): Promise<number> {
    const { port: to } = await echoBackend()
    const { both, ca: authority } = written()
    const rules = ['http-request set-header x-cn %[ssl_c_s_dn(cn)]', 'http-request set-header x-sni %[ssl_fc_sni]']
    const { port } = await startHaproxy(to, rules, false, `ssl crt ${both} verify required ca-file ${authority}`)
    return port
  }

  test('gets it, with the server name', async () => {
    const gateway = await gatewayTo(await start())
    const { headers } = (await send(gateway.port('web'), '/')).json<{ headers: Record<string, string> }>()
    expect([headers['x-cn'], headers['x-sni']]).toEqual(['gateway.internal', 'app.internal'])
  })

  test('refuses the wrong one after the handshake: UF with its alert', async () => {
    const gateway = await gatewayTo(await start(), stranger)
    expect(await failure(gateway)).toEqual([
      'UF',
      expect.stringMatching(/refused the TLS handshake with the alert "unknown ca"/),
    ])
  })
})

describeWith(['openssl'], 'openssl s_server as a backend (L4) that wants a certificate', () => {
  async function start(version: string, shown = own): Promise<TestGateway> {
    const { cert, key, ca: authority } = written()
    const { port } = await startPeer((site) => {
      const files = ['-cert', cert, '-cert_chain', cert, '-key', key, '-CAfile', authority]
      const strict = ['-Verify', '1', '-verify_return_error', version]
      return ['openssl', 's_server', '-accept', `127.0.0.1:${site.port}`, ...files, ...strict, '-rev', '-quiet']
    })
    const config: Json = {
      listeners: { lines: { protocol: 'tcp', address: '127.0.0.1', port: 0 } },
      routes: { all: { listener: 'lines', upstream: 'lines' } },
      upstreams: { lines: { protocol: 'tcp', backends: [{ address: `127.0.0.1:${port}` }], tls, health: false } },
    }
    return startInProcess(config, filesOf(shown))
  }

  describe.each(['-tls1_2', '-tls1_3'])('%s', (version) => {
    test('turns lines around', async () => {
      const gateway = await start(version)
      const client = await open(gateway.port('lines'))
      client.write('some words\n')
      expect(await new Promise((resolve) => client.once('data', (bytes) => resolve(String(bytes))))).toBe(
        'sdrow emos\n',
      )
    })

    test('refuses the certificate of an authority that it does not know: UF', async () => {
      const gateway = await start(version, stranger)
      const client = await open(gateway.port('lines'))
      client.write('some words\n')
      const { outcome, cause } = await gateway.record(({ msg }) => msg === 'connection')
      expect([outcome, cause]).toEqual(['UF', expect.stringMatching(/alert "unknown ca"/)])
    })
  })
})
