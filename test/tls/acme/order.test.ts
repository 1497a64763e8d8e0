import { X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSecureContext, createServer as createTlsServer } from 'node:tls'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { AcmeConfig } from '../../../core/acme/acme-config.ts'
import { createTransport } from '../../../core/acme/acme-http.ts'
import { AcmeProblem } from '../../../core/acme/acme-problem.ts'
import { AcmeState, type Challenge } from '../../../core/acme/acme-state.ts'
import type { Bundle } from '../../../core/acme/issued-certificate.ts'
import { orderCertificate } from '../../../core/acme/order.ts'
import { orderApart } from '../../../core/acme/order-apart.ts'
import { AcmeStorage } from '../../../core/acme/storage.ts'
import { createOutbound } from '../../../core/grants/outbound.ts'
import { type Json, startInProcess } from '../../helpers/gateway.ts'
import { describeWith } from '../../peers/needs.ts'
import { createAuthority } from '../certificates.ts'
import { openTls } from '../client.ts'
import { acmeConfig, recordingLog, temporaryFolder } from './fixtures.ts'
import { type Pebble, startPebble } from './pebble.ts'

function order(config: AcmeConfig, state = new AcmeState()): Promise<Bundle> {
  const storage = new AcmeStorage(config, recordingLog())
  return orderCertificate(config, storage, async (challenges) => state.challenge(challenges))
}

/** As a worker orders: in a thread. */
function orderInThread(config: AcmeConfig, state = new AcmeState(), ending = new AbortController()): Promise<Bundle> {
  const challenge = async (challenges: readonly Challenge[]): Promise<void> => state.challenge(challenges)
  return orderApart({ config, log: recordingLog(), challenge, signal: ending.signal })
}

async function listening(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

describeWith(['pebble'], 'at the pebble of Let’s Encrypt, an order', () => {
  let pebble: Pebble
  const ends: (() => void | Promise<void>)[] = []
  beforeAll(async () => {
    pebble = await startPebble({ onFinished: (end) => void ends.push(end) })
  }, 30_000)
  afterAll(async () => {
    for (const end of ends) await end()
  })
  const configFor = (names: readonly string[], more: Partial<AcmeConfig> = {}): AcmeConfig =>
    acmeConfig(temporaryFolder(), names, { directory: pebble.directory, ca: pebble.ca, ...more })

  async function answerOnHttp(state: AcmeState): Promise<void> {
    const server = createServer((request, response) => {
      const answer = state.answer(request.url!)
      response.writeHead(answer === undefined ? 404 : 200, { connection: 'close' }).end(answer)
    })
    await listening(server, pebble.http)
  }

  test('by http-01 brings a certificate for all names, each time of the same account and with a new key', async () => {
    const state = new AcmeState()
    await answerOnHttp(state)
    const config = configFor(['a.example', 'b.example'])
    const first = await order(config, state)
    const second = await order(config, state)
    const leaf = new X509Certificate(first.cert)
    expect(leaf.subjectAltName).toBe('DNS:a.example, DNS:b.example')
    expect(leaf.publicKey.asymmetricKeyType).toBe('ec')
    expect(first.cert.match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThan(1)
    expect(second.key).not.toBe(first.key)
    const [account = ''] = readdirSync(config.storage)
    expect(account).toMatch(/^account-\w+\.key$/)
    expect(statSync(join(config.storage, account)).mode & 0o777).toBe(0o600)
  })

  test('in a thread holds up nothing else', async () => {
    const state = new AcmeState()
    await answerOnHttp(state)
    const { cert } = await orderInThread(configFor(['a.example']), state)
    expect(new X509Certificate(cert).subjectAltName).toBe('DNS:a.example')
  })

  test('is made by a gateway inside of another program too, which has its certificate again at its next start', async () => {
    const { directory, ca } = pebble
    const acme = { names: ['a.example'], email: 'admin@a.example', agreeTerms: true, directory, ca }
    const config: Json = {
      listeners: {
        web: { address: '127.0.0.1', port: pebble.tls, protocol: 'https', tls: { certificates: [{ acme }] } },
      },
      routes: { all: { listener: 'web', reply: { status: 200 } } },
    }
    const first = await startInProcess(config)
    await first.record(({ msg }) => msg === 'certificate issued')
    const serialOf = async (): Promise<string> => {
      const socket = await openTls(pebble.tls, { servername: 'a.example', rejectUnauthorized: false })
      return socket.getPeerCertificate().serialNumber
    }
    const serial = await serialOf()
    await first.drain()
    const files = Object.fromEntries(
      readdirSync(join(first.folder, 'acme')).map((file) => [
        `acme/${file}`,
        readFileSync(join(first.folder, 'acme', file), 'utf8'),
      ]),
    )
    const second = await startInProcess(config, files)
    expect(await serialOf()).toBe(serial)
    await second.drain()
  })

  test('lets the CA look only when every worker has the answer', async () => {
    const state = new AcmeState()
    await answerOnHttp(state)
    const config = configFor(['a.example', 'b.example'])
    const looks = (): number => pebble.said().split('/chalZ/').length
    const seen: number[] = []
    await orderCertificate(config, new AcmeStorage(config, recordingLog()), async (challenges) => {
      seen.push(looks())
      await sleep(200)
      seen.push(looks())
      expect(challenges).toHaveLength(2)
      state.challenge(challenges)
    })
    expect(seen).toHaveLength(2)
    expect(seen[1]).toBe(seen[0])
    expect(looks()).toBeGreaterThan(seen[0]!)
  })

  test('by tls-alpn-01 is proven by a certificate in the handshake', async () => {
    const state = new AcmeState()
    const names: string[] = []
    const server = createTlsServer({
      ALPNProtocols: ['acme-tls/1'],
      SNICallback: (name, done) => {
        names.push(name)
        const proof = state.proof(name)
        done(null, proof && createSecureContext({ cert: proof.cert, key: proof.key }))
      },
    })
    await listening(server, pebble.tls)
    const { cert } = await order(configFor(['a.example'], { challenge: 'tls-alpn-01' }), state)
    expect(new X509Certificate(cert).subjectAltName).toBe('DNS:a.example')
    expect(names).toContain('a.example')
  })

  test('fails with the name and what the CA found there', async () => {
    const failed = order(configFor(['a.example', 'nobody.example']))
    await expect(failed).rejects.toThrow(AcmeProblem)
    await expect(failed).rejects.toThrow(/^(a|nobody)\.example: .*connection refused/)
  })

  test('is refused for a forbidden name with the words of the CA', async () => {
    await expect(order(configFor(['nothing.blocked-domain.example']))).rejects.toThrow('blocked-domain.example')
  })

  test('fails for a CA that is not trusted', async () => {
    const { ca: _, ...config } = configFor(['a.example'])
    await expect(order(config)).rejects.toThrow('UNABLE_TO_VERIFY_LEAF_SIGNATURE')
  })

  test('takes no proxy out of the environment', async () => {
    const state = new AcmeState()
    await answerOnHttp(state)
    const names = ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'all_proxy']
    for (const name of names) process.env[name] = 'http://127.0.0.1:1'
    onTestFinished(() => {
      for (const name of names) delete process.env[name]
    })
    await order(configFor(['a.example']), state)
  })
})

describe('a CA that', () => {
  const authority = createAuthority()

  async function startCa(listener: RequestListener): Promise<AcmeConfig> {
    const { chain, key } = authority.issue()
    const port = await listening(createHttpsServer({ cert: chain, key }, listener), 0)
    return acmeConfig(temporaryFolder(), ['a.example'], { directory: `https://127.0.0.1:${port}/`, ca: authority.ca })
  }
  const problemOf = (config: AcmeConfig): Promise<AcmeProblem> =>
    order(config).then(
      () => Promise.reject(new Error('it was issued')),
      (error: unknown) => error as AcmeProblem,
    )

  test('refuses for its rate limits is not asked again, and says until when', async () => {
    let asked = 0
    const config = await startCa((_, response) => {
      asked++
      response.writeHead(429, { 'retry-after': '7200', connection: 'close' })
      response.end(JSON.stringify({ type: 'urn:ietf:params:acme:error:rateLimited', detail: 'too many orders' }))
    })
    const problem = await problemOf(config)
    expect(problem).toBeInstanceOf(AcmeProblem)
    expect([problem.message, problem.retryAfter]).toEqual([
      'the CA refuses it for its rate limits: too many orders',
      7_200_000,
    ])
    expect(asked).toBe(1)
  })

  test('refuses without a time is left alone for an hour', async () => {
    const config = await startCa((_, response) => response.writeHead(429, { connection: 'close' }).end('no'))
    expect((await problemOf(config)).retryAfter).toBe(3_600_000)
  })

  test('is out of service says so', async () => {
    const config = await startCa((_, response) =>
      response.writeHead(503, { 'retry-after': '60', connection: 'close' }).end(),
    )
    const { message, retryAfter } = await problemOf(config)
    expect(message).toMatch(/^the CA is out of service: https:\/\/127\.0\.0\.1:\d+ answered 503$/)
    expect(retryAfter).toBe(60_000)
  })

  test.each([
    ['speaks no JSON', '<html>'],
    ['knows no ACME', '{}'],
    ['answers with a list', '[1]'],
    ['answers with nothing', ''],
  ])('%s fails in words', async (_, body) => {
    const config = await startCa((_, response) => response.writeHead(200, { connection: 'close' }).end(body))
    const { message } = await problemOf(config)
    expect(message).not.toMatch(/undefined|is not a function|Cannot read/)
  })

  test('sends more than a megabyte fails', async () => {
    const config = await startCa((_, response) => {
      response.on('error', () => {})
      response.writeHead(200, { connection: 'close' }).end(Buffer.alloc(2 * 1024 * 1024, 0x20))
    })
    expect((await problemOf(config)).message).toContain('longer than 1048576 bytes')
  })

  test('never answers is left when the order ends', async () => {
    const ending = new AbortController()
    const config = await startCa(() => ending.abort(new Error('over')))
    await expect(orderInThread(config, undefined, ending)).rejects.toThrow('over')
    await expect(orderInThread(config, undefined, ending)).rejects.toThrow('over')
  })

  test('answers too late fails in words', async () => {
    const config = await startCa(() => {})
    const send = createTransport(createOutbound(), config.ca, 50)
    const failed = send({ url: config.directory, method: 'get', headers: {} })
    await expect(failed).rejects.toThrow(/^https:\/\/127\.0\.0\.1:\d+ has not answered within 0\.05 s$/)
  })

  test('refuses for its rate limits is understood in a thread too', async () => {
    const config = await startCa((_, response) => {
      response.writeHead(429, { 'retry-after': '7200', connection: 'close' }).end('{"detail":"too many orders"}')
    })
    await expect(orderInThread(config)).rejects.toMatchObject({
      message: 'the CA refuses it for its rate limits: too many orders',
      retryAfter: 7_200_000,
    })
  })

  test('redirects is not followed', async () => {
    let asked = 0
    const config = await startCa((_, response) => {
      asked++
      response.writeHead(302, { location: '/elsewhere', connection: 'close' }).end()
    })
    await problemOf(config)
    expect(asked).toBe(1)
  })
})
