import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { AcmeStorage } from '../../../core/acme/storage.ts'
import { createAuthority, selfSigned } from '../certificates.ts'
import { acmeConfig, recordingLog, temporaryFolder } from './fixtures.ts'

const day = 86_400_000
const mode = (file: string): string => (statSync(file).mode & 0o777).toString(8)

function bundleFor(names: readonly string[], days = 90): { cert: string; key: string } {
  const { chain, key } = createAuthority()
    .intermediate()
    .issue({ names, to: new Date(Date.now() + days * day) })
  return { cert: chain, key }
}

describe('what is stored', () => {
  test('is found again, and only its user may read it', async () => {
    const folder = join(temporaryFolder(), 'deep', 'acme')
    const config = acmeConfig(folder)
    const storage = new AcmeStorage(config, recordingLog())
    const bundle = bundleFor(config.names)
    expect(storage.certificate()).toBeUndefined()
    await storage.saveCertificate(bundle)
    await storage.saveAccountKey(bundle.key)
    await storage.saveFailures({ count: 2, retryAt: 17, problem: 'no' })
    expect(storage.certificate()).toEqual({ id: config.id, ...bundle })
    expect(storage.accountKey()).toBe(bundle.key)
    expect(storage.failures()).toEqual({ count: 2, retryAt: 17, problem: 'no' })
    expect(mode(folder)).toBe('700')
    const files = readdirSync(folder)
    expect(files).toHaveLength(3)
    expect(files.map((file) => mode(join(folder, file)))).toEqual(['600', '600', '600'])
    await storage.saveFailures(undefined)
    expect(storage.failures()).toBeUndefined()
    await storage.saveFailures(undefined)
  })

  test('is replaced as a whole, whatever an interrupted write has left, and however wide its rights were', async () => {
    const folder = temporaryFolder()
    const config = acmeConfig(folder)
    const storage = new AcmeStorage(config, recordingLog())
    await storage.saveCertificate(bundleFor(config.names))
    const [file = ''] = readdirSync(folder)
    chmodSync(join(folder, file), 0o644)
    writeFileSync(join(folder, `.${file}.${process.pid}`), 'half')
    const next = bundleFor(config.names)
    await storage.saveCertificate(next)
    expect(storage.certificate()?.cert).toBe(next.cert)
    expect(readdirSync(folder)).toEqual([file])
    expect(mode(join(folder, file))).toBe('600')
  })

  test('belongs to one set of names and one directory', async () => {
    const folder = temporaryFolder()
    const one = acmeConfig(folder, ['a.example', 'b.example'])
    expect(acmeConfig(folder, ['b.example', 'a.example']).id).toBe(one.id)
    expect(acmeConfig(folder, ['a.example']).id).not.toBe(one.id)
  })
})

describe('a broken file', () => {
  const broken = {
    empty: '',
    'cut off': bundleFor(['a.example']).cert.slice(0, 200),
    'without a key': bundleFor(['a.example']).cert,
    'with the key of another certificate': `${bundleFor(['a.example']).key}${bundleFor(['a.example']).cert}`,
    'with a certificate that is none': `${bundleFor(['a.example']).key}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
  }

  test.each(Object.entries(broken))('%s counts as missing, is moved aside, and is said', (_, text) => {
    const folder = temporaryFolder()
    const config = acmeConfig(folder)
    const log = recordingLog()
    const file = join(folder, `a.example-${config.id}.pem`)
    writeFileSync(file, text)
    const storage = new AcmeStorage(config, log)
    expect(storage.certificate()).toBeUndefined()
    expect(log.lines).toMatchObject([{ level: 'warn', event: 'acme: broken file moved aside' }])
    expect(log.lines[0]?.facts.file).toBe(`${file}.broken`)
    expect(readFileSync(`${file}.broken`, 'utf8')).toBe(text)
    expect(storage.certificate()).toBeUndefined()
    expect(log.lines).toHaveLength(1)
  })

  test('of an account or of failures is moved aside too', async () => {
    const folder = temporaryFolder()
    const log = recordingLog()
    const storage = new AcmeStorage(acmeConfig(folder), log)
    await storage.saveAccountKey('no key')
    await storage.saveFailures({ count: 1, retryAt: 1, problem: '' })
    writeFileSync(storage.failuresFile, '{"count":"many"}')
    expect(storage.accountKey()).toBeUndefined()
    expect(storage.failures()).toBeUndefined()
    expect(log.lines).toHaveLength(2)
    // No private key is ever part of what is said.
    expect(JSON.stringify(log.lines)).not.toContain('BEGIN')
  })
})

test('what cannot be read is no broken file: nothing may be ordered that could not be stored', () => {
  const folder = temporaryFolder()
  const config = acmeConfig(folder)
  mkdirSync(join(folder, `a.example-${config.id}.pem`))
  expect(() => new AcmeStorage(config, recordingLog()).certificate()).toThrow('EISDIR')
})

describe('until a changed set of names has its certificate', () => {
  test('the stored one that covers most of them serves, and of those the one that lasts longest', async () => {
    const folder = temporaryFolder()
    const log = recordingLog()
    const save = async (names: readonly string[], days: number): Promise<string> => {
      const bundle = bundleFor(names, days)
      await new AcmeStorage(acmeConfig(folder, [...names, `${days}.example`]), log).saveCertificate(bundle)
      return bundle.cert
    }
    await save(['a.example'], 50)
    await save(['c.example'], 80)
    await save(['a.example', 'b.example'], -0.5)
    await save(['a.example', 'b.example'], 20)
    const best = await save(['a.example', 'b.example'], 30)
    writeFileSync(join(folder, 'of-someone-else.pem'), 'not a certificate')
    const config = acmeConfig(folder, ['a.example', 'b.example', 'd.example'])
    expect(new AcmeStorage(config, log).certificate()).toMatchObject({ id: config.id, cert: best, interim: true })
    expect(log.lines).toEqual([])
    expect(readdirSync(folder)).toContain('of-someone-else.pem')
  })

  test('one without any of them does not', async () => {
    const folder = temporaryFolder()
    const log = recordingLog()
    const { cert, key } = selfSigned({ names: ['c.example'] })
    await new AcmeStorage(acmeConfig(folder, ['c.example']), log).saveCertificate({ cert, key })
    expect(new AcmeStorage(acmeConfig(folder, ['a.example']), log).certificate()).toBeUndefined()
  })
})
