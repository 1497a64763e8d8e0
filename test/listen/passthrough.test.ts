import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { tcpBackend, tlsBackend } from '../helpers/backend.ts'
import { drained, open } from '../helpers/client.ts'
import { type Json, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { createAuthority } from '../tls/certificates.ts'
import { helloOf, openTls } from '../tls/client.ts'
import { alertsIn } from '../tls/raw-handshake.ts'

const authority = createAuthority()
const { ca } = authority

/** A backend that says which one it is, over TLS of its own. */
async function named(name: string, names: readonly string[], ALPNProtocols?: string[]): Promise<number> {
  const { chain: cert, key } = authority.issue({ names })
  const options = { cert, key, ...(ALPNProtocols !== undefined && { ALPNProtocols }) }
  const backend = await tlsBackend(options, (socket) => {
    socket.on('error', () => {}).on('end', () => socket.end())
    socket.resume().write(`${name} ${socket.alpnProtocol || '-'}`)
  })
  return backend.port
}

/** Routes by name on one tcp listener; each has an upstream of its own. */
function configOf(routes: { [name: string]: [match: Json, port: number] }, more: Json = {}, extra: Json = {}): Json {
  const entries = Object.entries(routes)
  return {
    listeners: { l: { protocol: 'tcp', address: '127.0.0.1', port: 0, ...(more as object) } },
    routes: Object.fromEntries(entries.map(([name, [match]]) => [name, { listener: 'l', upstream: name, match }])),
    upstreams: Object.fromEntries(
      entries.map(([name, [, port]]) => {
        return [name, { protocol: 'tcp', backends: [{ address: `127.0.0.1:${port}` }], health: false }]
      }),
    ),
    ...(extra as object),
  }
}

/** What a client of this name gets. */
async function ask(port: number, servername: string, ALPNProtocols?: string[]): Promise<string> {
  const socket = await openTls(port, { ca, servername, ...(ALPNProtocols !== undefined && { ALPNProtocols }) })
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return bytes.toString()
}

/** What comes back for these bytes, and how the connection ends. */
async function answerTo(
  port: number,
  ...parts: readonly Buffer[]
): Promise<{ bytes: Buffer; code: string | undefined }> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  let code: string | undefined
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk))
  socket.on('error', (error: NodeJS.ErrnoException) => {
    code = error.code
  })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  for (const part of parts) socket.write(part)
  await closed
  return { bytes: Buffer.concat(chunks), code }
}

const unrecognized = [{ level: 2, description: 112 }]

describe('TLS that is passed on', () => {
  test('goes to the backend of its name and protocol, whose certificate the client sees', async () => {
    const [db, wild, h2] = await Promise.all([
      named('db', ['db.example.org']),
      named('wild', ['*.example.org', '*.eu.example.org']),
      named('h2', ['db.example.org'], ['h2']),
    ])
    const gateway = await startInProcess(
      configOf({
        db: [{ serverName: 'db.example.org' }, db],
        wild: [{ serverName: '*.example.org' }, wild],
        h2: [{ serverName: 'DB.example.org', alpn: ['h2'] }, h2],
      }),
    )
    const port = gateway.port('l')
    expect(await ask(port, 'db.example.org')).toBe('db -')
    expect(await ask(port, 'Db.Example.org')).toBe('db -')
    expect(await ask(port, 'db.example.org', ['http/1.1', 'h2'])).toBe('h2 h2')
    expect(await ask(port, 'x.example.org')).toBe('wild -')
    expect(await ask(port, 'a.eu.example.org')).toBe('wild -')
    const record = await gateway.record(({ route }) => route === 'h2')
    expect(record).toMatchObject({ msg: 'connection', outcome: '', tls: { serverName: 'db.example.org' } })
    expect(record.tls).toEqual({ serverName: 'db.example.org' })
  })

  test('is refused with an alert for a name that no route has, and for none; so is what is not TLS', async () => {
    const db = await named('db', ['db.example.org'])
    const gateway = await startInProcess(configOf({ db: [{ serverName: 'db.example.org' }, db] }))
    const port = gateway.port('l')
    const foreign = await helloOf({ servername: 'other.example.org', ALPNProtocols: ['h2'] })
    expect(alertsIn((await answerTo(port, foreign)).bytes)).toEqual(unrecognized)
    expect(alertsIn((await answerTo(port, await helloOf({}))).bytes)).toEqual(unrecognized)
    const plain = await answerTo(port, Buffer.from('GET / HTTP/1.1\r\n\r\n'))
    expect([plain.bytes.length, plain.code]).toEqual([0, 'ECONNRESET'])
    await answerTo(port, Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]))
    const half = connect(port, '127.0.0.1').resume()
    half.end(foreign.subarray(0, 50))
    await once(half, 'close')
    const causes = await until('five records', () => {
      const all = gateway.log.filter(({ msg }) => msg === 'connection')
      return all.length === 5 ? all : undefined
    })
    expect(causes.map(({ outcome, alert, cause, serverName }) => [outcome, alert, cause, serverName])).toEqual([
      [
        'NR',
        'unrecognized_name',
        'no route for the server name "other.example.org" with ALPN h2 from 127.0.0.1',
        'other.example.org',
      ],
      ['NR', 'unrecognized_name', 'no route for a client without a server name from 127.0.0.1', undefined],
      ['NR', undefined, 'no route for a client at 127.0.0.1, which does not speak TLS', undefined],
      [
        'NR',
        undefined,
        'no route for a client at 127.0.0.1, which asks for TLS as PostgreSQL has it; only sslnegotiation=direct says a name first',
        undefined,
      ],
      ['DC', undefined, 'the client left during its ClientHello', undefined],
    ])
  })

  test('a route without serverName and alpn takes the rest, also clients that do not speak TLS', async () => {
    const db = await named('db', ['db.example.org'])
    const rest = await tcpBackend((socket) => {
      socket.once('data', (bytes: Buffer) => socket.end(`${bytes.length} of ${bytes.toString('latin1', 0, 4)}`))
    })
    const gateway = await startInProcess(
      configOf({ db: [{ serverName: 'db.example.org' }, db], rest: [{}, rest.port] }),
    )
    const port = gateway.port('l')
    expect(await ask(port, 'db.example.org')).toBe('db -')
    const hello = await helloOf({ servername: 'other.example.org' })
    expect((await answerTo(port, hello)).bytes.toString('latin1')).toBe(
      `${hello.length} of ${hello.toString('latin1', 0, 4)}`,
    )
    expect((await answerTo(port, Buffer.from('PING\r\n'))).bytes.toString()).toBe('6 of PING')
  })

  test('arrives whole and in order, wherever the ClientHello is split', async () => {
    const got: Buffer[] = []
    const backend = await tcpBackend((socket) => {
      let all = Buffer.alloc(0)
      socket.on('data', (bytes: Buffer) => {
        all = Buffer.concat([all, bytes])
        if (all.length === whole.length) {
          got.push(all)
          socket.end()
        }
      })
    })
    const hello = await helloOf({ servername: 'db.example.org', ALPNProtocols: ['h2'] })
    const whole = Buffer.concat([hello, Buffer.from('\x14\x03\x03 and what is pipelined behind it')])
    const gateway = await startInProcess(
      configOf({ db: [{ serverName: 'db.example.org', alpn: ['h2'] }, backend.port] }),
    )
    const cut = async (at: number): Promise<void> => {
      const socket = connect(gateway.port('l'), '127.0.0.1').setNoDelay(true)
      socket.on('error', () => {})
      socket.resume()
      socket.write(whole.subarray(0, at))
      setTimeout(() => socket.write(whole.subarray(at)), 5)
      await once(socket, 'close')
    }
    // Every byte of what is decided by, then some of the rest: the reader has a test of its own.
    const cuts = [...whole.keys()].filter((at) => at > 0 && (at < 100 || at > hello.length - 5 || at % 17 === 0))
    for (let from = 0; from < cuts.length; from += 50) await Promise.all(cuts.slice(from, from + 50).map(cut))
    expect(got).toHaveLength(cuts.length)
    expect(got.every((bytes) => bytes.equals(whole))).toBe(true)
  })

  test('has its time: hellos that never end are bounded in bytes and time, also 1,000 at once', async () => {
    const db = await named('db', ['db.example.org'])
    const match = { serverName: 'db.example.org' }
    const config = configOf({ db: [match, db] }, { timeouts: { handshake: '400ms' } })
    const { listeners, routes, upstreams } = config as { [section: string]: { [name: string]: Json } }
    const patient = { protocol: 'tcp', address: '127.0.0.1', port: 0 }
    const gateway = await startInProcess({
      listeners: { ...listeners, patient },
      routes: { ...routes, patient: { listener: 'patient', upstream: 'db', match } },
      upstreams: upstreams!,
    })
    const port = gateway.port('l')
    const hello = await helloOf({ servername: 'db.example.org' })
    const half = Array.from({ length: 1_000 }, async () => {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.resume()
      socket.write(hello.subarray(0, 100))
      await once(socket, 'close')
    })
    const silent = answerTo(port)
    const large = Buffer.concat([Buffer.from([22, 3, 1, 0x3f, 0xff, 1, 0, 0x80, 0]), Buffer.alloc(20_000)])
    expect(alertsIn((await answerTo(gateway.port('patient'), large)).bytes)).toEqual([{ level: 2, description: 22 }])
    expect(await ask(gateway.port('patient'), 'db.example.org')).toBe('db -')
    await Promise.all([...half, silent])
    const records = gateway.log.filter(({ msg }) => msg === 'connection')
    const late = records.filter(({ outcome }) => outcome === 'CI').map(({ cause }) => cause)
    expect(late).toHaveLength(1_001)
    expect(new Set(late)).toEqual(
      new Set(['the client did not send a whole ClientHello in time, and routes of this listener need it']),
    )
    expect(records.find(({ outcome }) => outcome === 'DPE')).toMatchObject({
      alert: 'record_overflow',
      cause: 'the ClientHello is larger than 16 KB',
    })
  })

  test('a listener whose routes need no name waits for no byte: the backend may speak first', async () => {
    const near = await tcpBackend((socket) => void socket.end('220 near\r\n'))
    const far = await tcpBackend((socket) => void socket.end('220 far\r\n'))
    const gateway = await startInProcess(
      configOf({ near: [{ source: ['127.0.0.0/8', '::1'] }, near.port], far: [{}, far.port] }),
    )
    expect(await drained(await open(gateway.port('l')))).toBe('220 near\r\n')
    await gateway.reload(configOf({ near: [{ source: ['10.0.0.0/8'] }, near.port], far: [{}, far.port] }))
    expect(await drained(await open(gateway.port('l')))).toBe('220 far\r\n')
    await gateway.reload(configOf({ near: [{ source: ['10.0.0.0/8'] }, near.port] }))
    expect((await answerTo(gateway.port('l'))).code).toBe('ECONNRESET')
    expect(await gateway.record(({ outcome }) => outcome === 'NR')).toMatchObject({
      cause: 'no route for a client at 127.0.0.1',
    })
  })

  test('behind a proxy that names the client: its header, the ClientHello and the source of a route, wherever they are split', async () => {
    const backends = await Promise.all(
      ['near', 'far'].map((name) => {
        return tcpBackend((socket) => void socket.once('data', (bytes: Buffer) => socket.end(`${name} ${bytes[0]}`)))
      }),
    )
    const [near, far] = backends.map(({ port }) => port)
    const gateway = await startInProcess(
      configOf(
        {
          near: [{ serverName: 'db.example.org', source: ['10.0.0.0/8'] }, near!],
          far: [{ serverName: 'db.example.org' }, far!],
        },
        { proxyProtocol: { from: ['127.0.0.1'] } },
      ),
    )
    const hello = await helloOf({ servername: 'db.example.org' })
    const seen = async (ip: string, at: number): Promise<string> => {
      const all = Buffer.concat([Buffer.from(`PROXY TCP4 ${ip} 192.0.2.1 40000 443\r\n`), hello])
      return (await answerTo(gateway.port('l'), all.subarray(0, at), all.subarray(at))).bytes.toString()
    }
    for (const at of [1, 20, 43, 44, 45, 46, 60, 200]) {
      expect(await Promise.all([seen('10.1.2.3', at), seen('11.1.2.3', at)])).toEqual(['near 22', 'far 22'])
    }
    expect(await gateway.record(({ route }) => route === 'near')).toMatchObject({ client: '10.1.2.3' })
  })

  test('a connection stays as long as its name still leads to the same upstream', async () => {
    const [one, two] = await Promise.all([
      named('one', ['a.example.org', 'b.example.org']),
      named('two', ['b.example.org']),
    ])
    const of = (a: Json, b: Json): Json => configOf({ a: [a, one], b: [b, two] }, {}, { drain: { timeout: '100ms' } })
    const gateway = await startInProcess(of({ serverName: 'a.example.org' }, { serverName: 'b.example.org' }))
    const [a, b] = await Promise.all(
      ['a.example.org', 'b.example.org'].map((servername) => openTls(gateway.port('l'), { ca, servername })),
    )
    const ended = new Promise((resolve) => b!.once('close', resolve))
    await gateway.reload(of({ serverName: '*.example.org' }, { serverName: 'c.example.org' }))
    await ended
    expect(await gateway.record(({ outcome }) => outcome === 'SD')).toMatchObject({ route: 'b' })
    expect(a!.destroyed).toBe(false)
  })

  test('policies see the name and what the client offers, and may refuse', async () => {
    const plugin = `import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'names', needs: ['log'], reads: ['tls.serverName', 'tls.offered', 'tls.version'],
  onConnect({ connection: { tls }, log }) {
    log.info('saw', { name: tls.serverName ?? '-', offered: (tls.offered ?? ['none']).join(), version: tls.version ?? '-' })
    if (tls.serverName === 'b.example.org') return reply(403, { title: 'no' })
  },
})`
    const one = await named('one', ['a.example.org', 'b.example.org'], ['x', 'y'])
    const extra = { policies: { names: { plugin: 'names' } } }
    const gateway = await startInProcess(
      configOf({ one: [{ serverName: '*.example.org' }, one] }, { policies: ['names'] }, extra),
      { 'plugins/names/index.ts': plugin },
    )
    expect(await ask(gateway.port('l'), 'a.example.org', ['y', 'x'])).toBe('one x')
    expect((await answerTo(gateway.port('l'), await helloOf({ servername: 'b.example.org' }))).code).toBe('ECONNRESET')
    const saw = gateway.log.filter(({ msg }) => msg === 'saw').map(({ fields }) => fields)
    expect(saw).toEqual([
      { name: 'a.example.org', offered: 'y,x', version: '-' },
      { name: 'b.example.org', offered: '', version: '-' },
    ])
    expect(await gateway.record(({ outcome }) => String(outcome).startsWith('PD'))).toMatchObject({ route: 'one' })
  })
})

describe('routes of a tls listener', () => {
  test('are chosen by name and protocol, which is agreed on; another name is refused before the handshake', async () => {
    const web = authority.issue({ names: ['a.example.org', '*.example.org'] })
    const backends = await Promise.all(['a', 'mqtt'].map((name) => tcpBackend((socket) => void socket.end(`${name}`))))
    const gateway = await startInProcess(
      configOf(
        {
          a: [{ serverName: 'a.example.org' }, backends[0]!.port],
          mqtt: [{ serverName: 'a.example.org', alpn: ['mqtt', 'x'] }, backends[1]!.port],
        },
        { protocol: 'tls', tls: { certificates: [{ cert: web.chain, key: web.key }] } },
      ),
    )
    const port = gateway.port('l')
    const seen = async (ALPNProtocols?: string[]): Promise<string> => {
      const options = { ca, servername: 'a.example.org', ...(ALPNProtocols !== undefined && { ALPNProtocols }) }
      const socket = await openTls(port, options)
      return `${await drained(socket)} ${socket.alpnProtocol || '-'}`
    }
    expect(await seen()).toBe('a -')
    expect(await seen(['x', 'mqtt'])).toBe('mqtt mqtt')
    expect(await seen(['x', 'z'])).toBe('mqtt x')
    expect(await seen(['z'])).toBe('a -')
    const hello = await helloOf({ servername: 'b.example.org' })
    expect(alertsIn((await answerTo(port, hello)).bytes)).toEqual(unrecognized)
    expect(await gateway.record(({ outcome }) => outcome === 'NR')).toMatchObject({
      msg: 'handshake',
      serverName: 'b.example.org',
      cause: 'no route for the server name "b.example.org" from 127.0.0.1',
    })
  })
})
