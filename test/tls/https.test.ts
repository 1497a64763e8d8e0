import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { echoBackend, tcpBackend } from '../helpers/backend.ts'
import { drained, open, raw } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess } from '../helpers/gateway.ts'
import { createAuthority } from './certificates.ts'
import { openTls, request } from './client.ts'

const authority = createAuthority()
const { ca } = authority
const web = authority.issue()
const files = { 'web.crt': web.chain, 'web.key': web.key }
const certificates = [{ cert: 'web.crt', key: 'web.key' }]

function httpsConfig(port: number, tls: { [key: string]: Json } = {}, more: { [key: string]: Json } = {}): Json {
  return httpConfig([port], { listeners: { web: { protocol: 'https', tls: { certificates, ...tls }, ...more } } })
}

const onHandshake = ({ msg }: Record<string, unknown>): boolean => msg === 'handshake'

describe('an https listener', () => {
  test('serves requests, and tells backends of https', async () => {
    const { port } = await startInProcess(httpsConfig((await echoBackend()).port), files)
    const answer = await request(port('web'), { ca, ALPNProtocols: ['http/1.1'] })
    expect(answer).toContain('HTTP/1.1 200 ')
    expect(answer).toContain('"x-forwarded-proto":"https"')
  })

  test('keeps connections open, and takes pipelined requests', async () => {
    const { port } = await startInProcess(httpsConfig((await echoBackend()).port), files)
    const get = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'
    const answer = await request(port('web'), { ca }, `${get}${get}GET / HTTP/1.0\r\n\r\n`)
    expect(answer.match(/HTTP\/1.1 200 /g)).toHaveLength(3)
  })

  test('agrees on the best version that a client offers, and refuses one that offers only others', async () => {
    const { port, record } = await startInProcess(httpsConfig((await echoBackend()).port), files)
    for (const [offered, agreed] of [
      [['http/1.1', 'h2'], 'h2'],
      [['http/1.1'], 'http/1.1'],
    ] as const) {
      const socket = await openTls(port('web'), { ca, ALPNProtocols: [...offered] })
      expect(socket.alpnProtocol).toBe(agreed)
    }
    await expect(openTls(port('web'), { ca, ALPNProtocols: ['h3'] })).rejects.toThrow(/no application protocol/)
    expect(await record(onHandshake)).toMatchObject({
      outcome: 'DPE',
      alert: 'no_application_protocol',
      listener: 'web',
    })
  })

  test('answers a client that speaks HTTP in clear with words', async () => {
    const { port, record } = await startInProcess(httpsConfig((await echoBackend()).port), files)
    const answer = await raw(port('web'), 'GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(answer).toContain('This port speaks TLS: use https:// instead of http://.')
    const line = await record(onHandshake)
    expect(line).toMatchObject({ outcome: 'DPE', cause: 'the client does not speak TLS, and this port does' })
    expect(answer).toContain(`x-request-id: ${line.id as string}`)
  })

  test('ends a connection with other bytes, with a record', async () => {
    const { port, record } = await startInProcess(httpsConfig((await echoBackend()).port), files)
    expect(await raw(port('web'), '\0\0\0\0')).toBe('')
    expect(await record(onHandshake)).toMatchObject({ outcome: 'DPE' })
  })

  test('tells of a client that does not trust it', async () => {
    const { port, record } = await startInProcess(httpsConfig((await echoBackend()).port), files)
    await expect(openTls(port('web'))).rejects.toThrow()
    // The client of node sends no alert, and leaves.
    expect(await record(onHandshake)).toMatchObject({ listener: 'web', serverName: 'localhost' })
  })

  test('refuses versions and suites that it does not speak', async () => {
    const tls = { minVersion: '1.3', ciphers: 'TLS_AES_128_GCM_SHA256', groups: 'P-384' }
    const { port, log } = await startInProcess(httpsConfig((await echoBackend()).port, tls), files)
    const socket = await openTls(port('web'), { ca, ecdhCurve: 'P-256:P-384' })
    expect(socket.getCipher().standardName).toBe('TLS_AES_128_GCM_SHA256')
    await expect(openTls(port('web'), { ca, maxVersion: 'TLSv1.2' })).rejects.toThrow(/alert protocol version/)
    await expect(openTls(port('web'), { ca, ciphers: 'TLS_AES_256_GCM_SHA384' })).rejects.toThrow(/handshake failure/)
    await expect(openTls(port('web'), { ca, ecdhCurve: 'P-256' })).rejects.toThrow(/handshake failure/)
    await expect
      .poll(() => log.filter(onHandshake).map(({ alert }) => alert))
      .toEqual(['protocol_version', 'handshake_failure', 'handshake_failure'])
  })

  test('ends a handshake that takes too long', async () => {
    const limits = { timeouts: { handshake: '100ms' } }
    const { port, record, log } = await startInProcess(httpsConfig((await echoBackend()).port, {}, limits), files)
    const silent = await open(port('web'))
    expect(await drained(silent)).toBe('')
    const slow = await open(port('web'))
    slow.write(Buffer.from([22, 3, 1, 2, 0, 1]))
    expect(await drained(slow)).toBe('')
    expect(await record(onHandshake)).toMatchObject({ outcome: 'CI', cause: 'the TLS handshake timed out' })
    // Probes of load balancers send nothing.
    expect(log.filter(onHandshake)).toHaveLength(1)
  })

  test('a client that leaves in the middle has its record', async () => {
    const { port, record } = await startInProcess(httpsConfig((await echoBackend()).port), files)
    const socket = await open(port('web'))
    socket.end(Buffer.from([22, 3, 1, 2, 0, 1]))
    expect(await record(onHandshake)).toMatchObject({ outcome: 'DC' })
  })
})

describe('certificates by name', () => {
  const a = authority.issue({ names: ['a.example'] })
  const ecWild = authority.issue({ names: ['*.b.example'] })
  const rsaWild = authority.issue({ names: ['*.b.example', 'also.example'], key: 'rsa' })
  const exact = authority.issue({ names: ['x.b.example'] })
  const all = {
    'a.pem': a.chain + a.key,
    'e.pem': ecWild.chain + ecWild.key,
    'r.pem': rsaWild.chain + rsaWild.key,
    'x.pem': exact.chain + exact.key,
  }
  const list = ['a', 'e', 'r', 'x'].map((name) => ({ cert: `${name}.pem`, key: `${name}.pem` }))
  const shown = async (port: number, servername: string, more = {}): Promise<string> => {
    const socket = await openTls(port, { ca, servername, checkServerIdentity: () => undefined, ...more })
    return socket.getPeerX509Certificate()!.raw.toString('base64')
  }

  test('exact before wildcard, the first for all others; of one name the kind of key that the client can use', async () => {
    const { port } = await startInProcess(httpsConfig((await echoBackend()).port, { certificates: list }), all)
    const web = port('web')
    const is = (one: { der: Buffer }): string => one.der.toString('base64')
    expect(await shown(web, 'a.example')).toBe(is(a))
    expect(await shown(web, 'A.Example')).toBe(is(a))
    expect(await shown(web, 'other.example')).toBe(is(a))
    expect(await shown(web, '')).toBe(is(a))
    expect(await shown(web, 'x.b.example')).toBe(is(exact))
    expect(await shown(web, 'y.b.example')).toBe(is(ecWild))
    expect(await shown(web, 'z.y.b.example')).toBe(is(a))
    const rsa = { sigalgs: 'rsa_pss_rsae_sha256' }
    expect(await shown(web, 'y.b.example', rsa)).toBe(is(rsaWild))
    expect(await shown(web, 'also.example')).toBe(is(rsaWild))
    const old = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }
    expect(await shown(web, 'y.b.example', old)).toBe(is(rsaWild))
  })

  test('strict refuses unknown names, and clients without one', async () => {
    const tls = { certificates: list, strict: true }
    const { port, log } = await startInProcess(httpsConfig((await echoBackend()).port, tls), all)
    await openTls(port('web'), { ca, servername: 'a.example' })
    for (const servername of ['other.example', '']) {
      await expect(openTls(port('web'), { ca, servername })).rejects.toThrow(/unrecognized name/)
    }
    await expect
      .poll(() => log.filter(onHandshake))
      .toMatchObject([
        { alert: 'unrecognized_name', serverName: 'other.example', outcome: 'DPE' },
        { alert: 'unrecognized_name', outcome: 'DPE' },
      ])
  })

  test('names of the configuration replace those of the certificate', async () => {
    const named = [{ ...list[0]! }, { ...list[1]!, names: ['shop.example', '*.corp'] }]
    const { port } = await startInProcess(httpsConfig((await echoBackend()).port, { certificates: named }), all)
    expect(await shown(port('web'), 'shop.example')).toBe(ecWild.der.toString('base64'))
    expect(await shown(port('web'), 'x.corp')).toBe(ecWild.der.toString('base64'))
    for (const other of ['y.b.example', 'corp', '.corp']) {
      expect(await shown(port('web'), other)).toBe(a.der.toString('base64'))
    }
  })
})

describe('a reload', () => {
  test('new files are for new handshakes, open connections stay, and the same files keep their context', async () => {
    const config = httpsConfig((await echoBackend()).port)
    const { port, reload, folder } = await startInProcess(config, files)
    const before = await openTls(port('web'), { ca })
    await reload(config)
    const next = authority.issue()
    writeFileSync(join(folder, 'web.crt'), next.chain)
    writeFileSync(join(folder, 'web.key'), next.key)
    await reload(config)
    const after = await openTls(port('web'), { ca })
    expect(after.getPeerX509Certificate()!.raw.equals(next.der)).toBe(true)
    const answer = new Promise((resolve) => before.once('data', (bytes: Buffer) => resolve(bytes.toString())))
    before.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    expect(await answer).toContain('HTTP/1.1 200 ')
  })

  test('a file that cannot be used rejects it', async () => {
    const config = httpsConfig((await echoBackend()).port)
    const { port, reload, folder } = await startInProcess(config, files)
    writeFileSync(join(folder, 'web.key'), authority.issue().key)
    const message = '"web.key" is not the key of the first certificate in "web.crt"'
    await expect(reload(config)).rejects.toMatchObject({ problems: [{ message }] })
    await openTls(port('web'), { ca })
  })
})

describe('a tls listener', () => {
  const config = (port: number): Json => ({
    listeners: { db: { protocol: 'tls', address: '127.0.0.1', port: 0, tls: { certificates } } },
    routes: { all: { listener: 'db', upstream: 'pool' } },
    upstreams: { pool: { protocol: 'tcp', backends: [{ address: `127.0.0.1:${port}` }], health: false } },
  })

  test('forwards the bytes after the handshake, both ways and to their ends', async () => {
    const backend = await tcpBackend((socket) => {
      let text = ''
      socket.on('data', (bytes) => {
        text += bytes.toString()
      })
      socket.on('end', () => socket.end(`heard ${text}`))
    })
    const { port, record } = await startInProcess(config(backend.port), files)
    const socket = await openTls(port('db'), { ca, allowHalfOpen: true })
    const answer = new Promise((resolve) => {
      let all = ''
      socket.on('data', (bytes: Buffer) => {
        all += bytes.toString()
      })
      socket.on('end', () => resolve(all))
    })
    socket.end('hello')
    expect(await answer).toBe('heard hello')
    expect(await record((line) => line.msg === 'connection')).toMatchObject({ outcome: '', bytesIn: 5, bytesOut: 11 })
  })

  test('ends a connection that does not speak TLS', async () => {
    const { port, record } = await startInProcess(config((await tcpBackend(() => {})).port), files)
    expect(await raw(port('db'), 'GET / HTTP/1.1\r\n\r\n')).toBe('')
    expect(await record(onHandshake)).toMatchObject({ listener: 'db', outcome: 'DPE' })
  })
})

describe('an http listener', () => {
  test('answers a client that speaks TLS with words, at once', async () => {
    const { port, record } = await startInProcess(httpConfig([(await echoBackend()).port]))
    await expect(openTls(port('web'))).rejects.toThrow(/wrong version number|packet length/)
    const line = await record(({ outcome }) => outcome === 'DPE')
    expect(line).toMatchObject({ msg: 'request', status: 400, cause: 'the client speaks TLS, and this port does not' })
    const answer = await raw(port('web'), '\x16\x03\x01\x02\x00\x01')
    expect(answer).toContain('This port speaks HTTP in clear: use http:// instead of https://.')
  })
})
