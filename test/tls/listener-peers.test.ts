import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { httpBackend } from '../helpers/backend.ts'
import { send } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { startHaproxy } from '../peers/haproxy.ts'
import { describeWith } from '../peers/needs.ts'
import { startNginx } from '../peers/nginx.ts'
import { temporaryFolder } from '../peers/peer.ts'
import { createAuthority } from './certificates.ts'

const authority = createAuthority()
const { chain: cert, key } = authority.issue()
const large = randomBytes(3 * 1024 * 1024)

function sha(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Answers with the hash of what it gets, and on `/large` with 3 MB. */
async function gateway(): Promise<TestGateway> {
  const backend = await httpBackend((request, response) => {
    const hash = createHash('sha256')
    request.on('data', (bytes: Buffer) => hash.update(bytes))
    request.on('end', () => response.end(request.url === '/large' ? large : hash.digest('hex')))
  })
  const tls = { certificates: [{ cert, key }] }
  return startInProcess(
    httpConfig([backend.port], {
      listeners: { web: { protocol: 'https', tls }, plain: { address: '127.0.0.1', port: 0 } },
      routes: { plain: { listener: 'plain', upstream: 'app' } },
    }),
  )
}

function file(text: string | Buffer): string {
  const path = join(temporaryFolder(), 'file')
  writeFileSync(path, text)
  return path
}

const run = promisify(execFile)

/** What curl says of a URL: its answer, or its error. */
async function curl(url: string, ...args: string[]): Promise<string> {
  const options = { encoding: 'latin1', maxBuffer: 2 * large.length } as const
  return run('curl', ['-q', '-sS', '--noproxy', '*', '--max-time', '20', ...args, url], options).then(
    ({ stdout }) => stdout,
    ({ stderr }: { stderr: string }) => stderr,
  )
}

describeWith(['curl'], 'curl', () => {
  test('gets and sends large bodies in both versions, and keeps its connection', async () => {
    const { port } = await gateway()
    const url = `https://localhost:${port('web')}`
    const trust = ['--cacert', file(authority.ca), '--resolve', `localhost:${port('web')}:127.0.0.1`]
    for (const version of ['1.2', '1.3']) {
      const only = [`--tlsv${version}`, '--tls-max', version]
      const got = await curl(`${url}/large`, ...trust, ...only)
      expect(sha(Buffer.from(got, 'latin1'))).toBe(sha(large))
      const body = `@${file(large)}`
      const facts = await curl(`${url}/[1-3]`, ...trust, ...only, '--data-binary', body, '-w', ' %{num_connects}\n')
      expect(facts).toBe([1, 0, 0].map((connects) => `${sha(large)} ${connects}\n`).join(''))
    }
  })

  test('is told in words that it is on the wrong port', async () => {
    const { port, record } = await gateway()
    expect(await curl(`http://127.0.0.1:${port('web')}/`)).toContain('This port speaks TLS: use https:// instead of')
    expect(await curl(`https://127.0.0.1:${port('plain')}/`)).toContain('wrong version number')
    await record(({ cause }) => cause === 'the client speaks TLS, and this port does not')
  })

  test('says of a certificate that it does not trust what the record says too', async () => {
    const { port, record } = await gateway()
    expect(await curl(`https://127.0.0.1:${port('web')}/`)).toContain('SSL certificate problem')
    expect(await record(({ msg }) => msg === 'handshake')).toMatchObject({ outcome: 'DPE', alert: 'unknown_ca' })
  })
})

describeWith(['openssl', 'curl'], 'the commands of README.md', () => {
  test('make a certificate that has no warning, and that curl accepts', async () => {
    const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')
    const [command = ''] = /openssl req -x509[^`]*?localhost[^`]*?CA:FALSE/.exec(readme) ?? []
    const [lines = ''] = /"port": 8443,\n"protocol": "https",\n"tls": .*/.exec(readme) ?? []
    const folder = temporaryFolder()
    await run('sh', ['-c', command], { cwd: folder })
    const text = (name: string): string => readFileSync(join(folder, name), 'utf8')
    const listener = { ...(JSON.parse(`{${lines}}`) as Record<string, Json>), port: 0 }
    const { port, log } = await startInProcess(httpConfig([1], { listeners: { web: listener } }), {
      'web.crt': text('web.crt'),
      'web.key': text('web.key'),
    })
    expect(log.filter(({ msg }) => msg === 'configuration')).toEqual([])
    const trust = ['--cacert', join(folder, 'web.crt'), '--resolve', `localhost:${port('web')}:127.0.0.1`]
    expect(await curl(`https://localhost:${port('web')}/`, ...trust)).toContain('"status":502')
  })
})

async function passes(port: number): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const { status, body } = await send(port, '/echo', { method: 'POST', body: large })
    expect([status, body]).toEqual([200, sha(large)])
  }
  expect((await send(port, '/large')).headers['content-length']).toBe(`${large.length}`)
}

describeWith(['nginx'], 'nginx in front, which verifies the gateway', () => {
  test('sends bodies and gets answers', async () => {
    const { port } = await gateway()
    const server = `client_max_body_size 0; location / { proxy_pass https://next; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_ssl_verify on; proxy_ssl_trusted_certificate ${file(authority.ca)};
      proxy_ssl_name localhost; proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.2 TLSv1.3; }`
    const peer = await startNginx(server, `upstream next { server 127.0.0.1:${port('web')}; keepalive 4; }`)
    await passes(peer.port)
  })
})

describeWith(['haproxy'], 'HAProxy in front, which verifies the gateway', () => {
  test('sends bodies and gets answers', async () => {
    const { port } = await gateway()
    const server = `ssl verify required ca-file ${file(authority.ca)} sni str(localhost) verifyhost localhost`
    const peer = await startHaproxy(port('web'), [], false, '', server)
    await passes(peer.port)
  })
})
