import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { httpBackend } from '../helpers/backend.ts'
import { startInProcess } from '../helpers/gateway.ts'
import { startHaproxy } from '../peers/haproxy.ts'
import { describeWith } from '../peers/needs.ts'
import { startNginx } from '../peers/nginx.ts'
import { temporaryFolder } from '../peers/peer.ts'
import { createAuthority } from '../tls/certificates.ts'
import { request } from '../tls/client.ts'
import { openssl } from '../tls/openssl.ts'

const authority = createAuthority()
const { ca } = authority

function file(name: string, text: string): string {
  const path = join(temporaryFolder(), name)
  writeFileSync(path, text)
  return path
}

describeWith(['nginx', 'haproxy', 'openssl'], 'TLS of other programs, passed on by its name', () => {
  test('nginx and HAProxy show their own certificates to openssl, whatever it offers', async () => {
    const [web, api] = ['web.example.org', 'api.example.org'].map((name) => authority.issue({ names: [name] }))
    const { port: app } = await httpBackend((_request, response) => void response.end('from HAProxy'))
    const [nginx, haproxy] = await Promise.all([
      startNginx(
        `ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate ${file('web.crt', web!.chain)}; ssl_certificate_key ${file('web.key', web!.key)};
         location / { return 200 "$ssl_server_name over $ssl_protocol"; }`,
        '',
        'ssl',
      ),
      startHaproxy(app, [], false, `ssl crt ${file('api.pem', `${api!.chain}\n${api!.key}`)} alpn h2,http/1.1`),
    ])
    const upstream = (port: number) => {
      return { protocol: 'tcp', backends: [{ address: `127.0.0.1:${port}` }], health: false }
    }
    const gateway = await startInProcess({
      listeners: { l: { protocol: 'tcp', address: '127.0.0.1', port: 0 } },
      routes: {
        web: { listener: 'l', upstream: 'nginx', match: { serverName: 'web.example.org' } },
        api: { listener: 'l', upstream: 'haproxy', match: { serverName: '*.example.org' } },
      },
      upstreams: { nginx: upstream(nginx.port), haproxy: upstream(haproxy.port) },
    })
    const port = gateway.port('l')
    const authorities = ['-CAfile', file('ca.pem', ca), '-verify_return_error']
    const text = (host: string): string => `GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`

    const options = { ca, servername: 'WEB.example.org' }
    expect(await request(port, options, text('web.example.org'))).toContain('WEB.example.org over TLSv1.3')
    expect(await request(port, { ca, servername: 'api.example.org' }, text('api.example.org'))).toContain(
      'from HAProxy',
    )

    const seen = async (name: string, ...args: string[]): Promise<string> => {
      return openssl(port, [...authorities, '-servername', name, '-verify_hostname', name, ...args])
    }
    expect(await seen('web.example.org')).toContain('Verify return code: 0 (ok)')
    expect(await seen('web.example.org', '-tls1_2')).toContain('Verify return code: 0 (ok)')
    const h2 = await seen('api.example.org', '-alpn', 'h2', '-groups', 'P-384')
    expect(h2).toContain('ALPN protocol: h2')
    expect(h2).toContain('Verify return code: 0 (ok)')
    // A hello of several records and packets.
    expect(await seen('api.example.org', '-max_send_frag', '512', '-split_send_frag', '512')).toContain('code: 0 (ok)')
    expect(await seen('other.example.com')).toContain('unrecognized name')
  })
})
