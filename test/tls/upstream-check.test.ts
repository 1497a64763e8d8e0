import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type CheckResult, checkConfig } from '../../core/check/check.ts'
import type { UpstreamTls } from '../../core/tls/client-context.ts'
import { gatewayFolder, httpConfig, type Json } from '../helpers/gateway.ts'
import { createAuthority } from './certificates.ts'

const ca = createAuthority()
const own = ca.issue({ usage: 'client' })
const encrypted = own.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'a secret' })
const soon = new Date(Date.now() + 5 * 24 * 3_600_000)

const files: Readonly<Record<string, string>> = {
  'ca.pem': ca.cert,
  'two.pem': `some words\n${ca.cert}${createAuthority('Old CA', { to: new Date(Date.now() - 1_000) }).cert}`,
  'own.pem': own.chain,
  'own.key': own.key,
  'encrypted.key': String(encrypted),
  'other.key': ca.issue().key,
  'soon.pem': ca.issue({ key: own.privateKey, to: soon }).cert,
  'expired.pem': ca.issue({ key: own.privateKey, to: new Date(Date.now() - 1_000) }).cert,
  'broken.pem': ca.cert.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA'),
  'words.txt': 'no certificate',
}

async function check(tls: Json, env: Record<string, string> = {}): Promise<CheckResult & { readonly folder: string }> {
  const config = httpConfig([], { upstreams: { app: { backends: [{ address: 'a:1' }], tls } } })
  const folder = gatewayFolder(config, { ...files })
  return { ...(await checkConfig(join(folder, 'gateway.json'), { env })), folder }
}

async function problemsOf(tls: Json, env: Record<string, string> = {}): Promise<readonly string[]> {
  const result = await check(tls, env)
  return result.ok
    ? []
    : result.problems.map(({ path, message }) => `${path.replace('upstreams.app.', '')}: ${message}`)
}

async function tlsOf(tls: Json, env: Record<string, string> = {}): Promise<UpstreamTls | undefined> {
  const result = await check(tls, env)
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  return result.config.upstreams.app?.tls
}

const own2 = { cert: 'own.pem', key: 'own.key' }

describe('tls of an upstream', () => {
  test('has its defaults, and texts instead of files', async () => {
    expect(await tlsOf(true)).toEqual({ minVersion: '1.2', verify: true })
    expect(await tlsOf({})).toEqual({ minVersion: '1.2', verify: true })
    const all = await tlsOf({ ca: 'ca.pem', serverName: 'App.Internal', minVersion: '1.3', ...own2 })
    const texts = { ca: ca.cert, cert: own.cert, key: own.key }
    expect(all).toEqual({ ...texts, serverName: 'app.internal', minVersion: '1.3', verify: true })
  })

  test('may be PEM itself, by reference, and a list of authorities', async () => {
    const env = { CA: ca.cert, KEY: own.key }
    // biome-ignore lint/suspicious/noTemplateCurlyInString: references of a configuration
    const tls = await tlsOf({ ca: ['${env:CA}', 'two.pem'], cert: '${file:own.pem}', key: '${env:KEY}' }, env)
    expect(tls?.ca?.split('BEGIN').length).toBe(4)
    expect(tls?.key).toBe(own.key)
  })

  test('a key is decrypted, and printed nowhere', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference of a configuration
    const tls = { cert: 'own.pem', key: 'encrypted.key', passphrase: '${env:PASS}' }
    const result = await check(tls, { PASS: 'a secret' })
    if (!result.ok) throw new Error('it is not accepted')
    expect(result.config.upstreams.app?.tls?.key).toBe(own.key)
    const body = own.key.split('\n').slice(1, -2).join('\n')
    expect(result.secrets.map(({ value }) => value)).toContain(body)
    expect(result.files).toContain(join(result.folder, 'encrypted.key'))
  })

  const bad: readonly (readonly [tls: Json, problem: string | RegExp])[] = [
    [false, 'tls: must not be false; leave it out for the default'],
    [{ servername: 'x' }, 'tls.servername: there is no field "servername" here; did you mean "serverName"?'],
    [{ serverName: 'x:443' }, 'tls.serverName: "x:443" is not a host name or an IP address; write it without a port'],
    [{ minVersion: '1.1' }, 'tls.minVersion: must be one of "1.2", "1.3", not "1.1"; did you mean "1.2"?'],
    [{ ca: [] }, 'tls.ca: must not be empty'],
    [{ starttls: 'mysql' }, 'tls.starttls: must be one of "postgres", not "mysql"'],
    [{ starttls: 'postgres' }, 'tls.starttls: http backends begin with TLS; remove it'],
    [{ ca: 'nowhere.pem' }, /^tls\.ca: ".*nowhere\.pem": the file does not exist$/],
    [{ ca: ['ca.pem', 'words.txt'] }, /^tls\.ca\[1\]: "words\.txt" holds no certificate in PEM/],
    [{ ca: 'broken.pem' }, /^tls\.ca: "broken\.pem" holds a certificate that cannot be read: /],
    [{ ca: 'ca.pem', verify: false }, 'tls.ca: verifies nothing with "verify": false; remove one'],
    [{ cert: 'own.pem' }, 'tls.cert: needs its private key; add "key"'],
    [{ key: 'own.key' }, 'tls.key: needs its certificate; add "cert"'],
    [{ passphrase: 'x' }, 'tls.passphrase: decrypts "key", which is missing'],
    [{ cert: 'own.pem', key: 'other.key' }, 'tls.key: is not the key of the first certificate in "cert"'],
    [{ cert: 'own.pem', key: 'own.pem' }, /^tls\.key: "own\.pem" holds no private key in PEM/],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference of a configuration
    [{ cert: 'own.pem', key: 'encrypted.key' }, 'tls.key: the key is encrypted; add "passphrase": "${env:NAME}"'],
    [{ cert: 'own.pem', key: 'encrypted.key', passphrase: 'b' }, /^tls\.passphrase: it does not decrypt the key/],
  ]
  test.each(bad)('%j is refused', async (tls, problem) => {
    expect(await problemsOf(tls)).toEqual([typeof problem === 'string' ? problem : expect.stringMatching(problem)])
  })

  const odd: readonly (readonly [tls: Json, path: string, warning: RegExp])[] = [
    [{ verify: false }, 'verify', /the certificates of these backends are not verified/],
    [{ cert: 'soon.pem', key: 'own.key' }, 'cert', new RegExp(`expires on ${soon.toISOString().slice(0, 10)}`)],
    [{ cert: 'expired.pem', key: 'own.key' }, 'cert', /the certificate expired on/],
  ]
  test.each(odd)('%j is warned of', async (tls, path, warning) => {
    const result = await check(tls)
    expect(result.ok && result.warnings.map((one) => [one.path, one.message])).toEqual([
      [`upstreams.app.tls.${path}`, expect.stringMatching(warning)],
    ])
  })

  test('an authority that has expired is no matter beside one that has not', async () => {
    const result = await check({ ca: 'two.pem' })
    expect(result.ok && result.warnings).toEqual([])
  })

  test('files may be missing where secrets are', async () => {
    const { folder } = await check(true)
    const config = httpConfig([], { upstreams: { app: { backends: [{ address: 'a:1' }], tls: { ca: 'later.pem' } } } })
    writeFileSync(join(folder, 'gateway.json'), JSON.stringify(config))
    expect((await checkConfig(join(folder, 'gateway.json'), { mustExist: false })).ok).toBe(true)
  })
})
