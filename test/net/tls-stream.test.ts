import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ByteStream } from '../../core/net/byte-stream.ts'
import { areRawSocketsUsable } from '../../core/net/raw-check.ts'
import { streamOfTls } from '../../core/net/tls-stream.ts'
import { cert, key, listen, pair, tcpOf, tlsKinds, tlsSockets, until } from '../upstream/sockets.ts'
import { Notes } from './notes.ts'

const raw = areRawSocketsUsable()

describe.each(tlsKinds)('a stream of the kind %s', (kind) => {
  async function open() {
    const [near, far] = await pair(kind)
    far.on('error', () => {})
    onTestFinished(() => {
      near.destroy()
      far.destroy()
    })
    return { near, far }
  }

  test('the end with close_notify is told apart from a cut', async () => {
    for (const [end, mayBeCut] of [
      [(far: Socket) => void far.end(), !raw],
      [(far: Socket) => void far.end('last words'), !raw],
      [(far: Socket) => void tcpOf(far).end(), true],
      [(far: Socket) => void far.write('last words', () => tcpOf(far).end()), true],
    ] as const) {
      const { near, far } = await open()
      const notes = new Notes()
      near.start(notes)
      end(far)
      await until(() => notes.events.length > 0)
      expect([notes.events, near.mayBeCut, near.hasEnded, near.isOpen]).toEqual([['end'], mayBeCut, true, true])
      // TLS allows half-open, whatever the end was.
      far.resume()
      near.end()
      await until(() => notes.events.includes('close'))
      expect(near.isFinished).toBe(true)
    }
  })

  test('what has arrived when it pauses waits, and so does close_notify behind it', async () => {
    const { near, far } = await open()
    const notes = new Notes(() => near.pause())
    near.start(notes)
    // Several records, which are decrypted together.
    const size = 5 * 16_384
    far.end(Buffer.alloc(size, 'x'))
    for (let times = 1; notes.text.length < size; times++) {
      await until(() => notes.text.length > 0)
      const { length } = notes.text
      await new Promise((resolve) => setTimeout(resolve, 5))
      expect([notes.text.length, notes.events]).toEqual([length, []])
      near.resume()
      await until(() => notes.text.length > length || times > 100)
    }
    near.resume()
    await until(() => notes.events.length > 0)
    expect([notes.text === 'x'.repeat(size), notes.events]).toEqual([true, ['end']])
  })

  test('what waits while it is paused comes before the end, also when both sides have ended meanwhile', async () => {
    const { near, far } = await open()
    const notes = new Notes(() => near.pause())
    near.start(notes)
    far.resume()
    far.end(Buffer.alloc(3 * 16_384, 'x'))
    await until(() => notes.text.length > 0)
    near.end()
    await until(() => far.closed || notes.text.length === 3 * 16_384)
    near.resume()
    for (let i = 0; i < 10; i++) {
      await new Promise((resolve) => setTimeout(resolve, 2))
      near.resume()
    }
    await until(() => notes.events.includes('close'))
    expect([notes.text.length, notes.events]).toEqual([3 * 16_384, ['end', 'close']])
  })

  test('a reset whose error a write of node has used up is an error', async () => {
    if (!raw || kind !== 'tls server') return
    const { server, client, connected } = await tlsSockets('TLSv1.3')
    const near = streamOfTls(server)
    client.on('error', () => {})
    const notes = new Notes()
    near.start(notes)
    // The server's tickets are not written yet.
    connected.resetAndDestroy()
    await until(() => notes.events.includes('close'))
    expect(notes.events).toEqual(['end', 'read ECONNRESET', 'close'])
  })

  test('a record that was changed on its way is an error that closes it', async () => {
    const { near, far } = await open()
    const notes = new Notes()
    near.start(notes)
    tcpOf(far).write(Buffer.from([23, 3, 3, 0, 32, ...Buffer.alloc(32, 1)]))
    await until(() => notes.events.includes('close'))
    expect(notes.events).toEqual([expect.stringMatching(/^ERR_SSL_/), 'close'])
  })

  test('many writes of one turn arrive in order, also while node still handles the one before', async () => {
    const { near, far } = await open()
    near.start(new Notes())
    let received = ''
    far.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1')
    })
    far.resume()
    let expected = ''
    for (let round = 0; round < 20; round++) {
      for (const piece of ['a', 'bb', '', 'ccc']) near.writeText(piece)
      near.write(Buffer.alloc(0))
      near.writeBoth('d', Buffer.from('e'))
      expected += 'abbcccde'
      if (round % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    near.end()
    await until(() => received.length === expected.length)
    expect(received).toBe(expected)
  })
})

test('a socket that has read ahead gives its bytes to the stream', async () => {
  const { server, client } = await tlsSockets('TLSv1.3')
  client.write('early')
  server.resume().pause()
  await until(() => server.readableLength === 5)
  const near = streamOfTls(server)
  onTestFinished(() => void [near.destroy(), client.destroy()])
  const notes = new Notes()
  near.start(notes)
  client.write(' late')
  await until(() => notes.text.length === 10)
  expect(notes.text).toBe('early late')
})

test('what is written in the middle of the handshake that has just been completed arrives', async () => {
  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    const streams: ByteStream[] = []
    const take = (socket: TLSSocket): void => {
      const stream = streamOfTls(socket)
      streams.push(stream)
      stream.start(new Notes())
      stream.writeText('one ')
      stream.writeText('two ')
      stream.write(Buffer.alloc(40_000, 'x'))
      stream.end()
    }
    const { server, client } = await tlsSockets(version, take)
    expect(server).toBeDefined()
    onTestFinished(() => void [client.destroy(), ...streams.map((stream) => stream.destroy())])
    let text = ''
    client.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    await once(client, 'end')
    expect(text === `one two ${'x'.repeat(40_000)}`).toBe(true)
  }
})

test.each(['TLSv1.3', 'TLSv1.2'] as const)(
  'the socket of a client still tells of sessions, and they resume: %s',
  async (version) => {
    const sessions: Buffer[] = []
    const first = await tlsSockets(version, undefined, undefined, (session) => sessions.push(session))
    const near = streamOfTls(first.client)
    const notes = new Notes()
    near.start(notes)
    first.server.write('hello')
    await until(() => notes.text === 'hello' && sessions.length > 0)
    near.destroy()
    first.server.destroy()
    const second = await tlsSockets(version, undefined, sessions.at(-1))
    expect(second.client.isSessionReused()).toBe(true)
    second.client.destroy()
    second.server.destroy()
  },
)

test.runIf(raw)('nothing keeps the sockets in memory that made the handshake', async () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const gone = new FinalizationRegistry<string>((what) => void collected.push(what))
  const collected: string[] = []
  const make = async (): Promise<ByteStream> => {
    const { server, client, accepted } = await tlsSockets('TLSv1.3')
    gone.register(server, 'TLSSocket')
    gone.register(accepted, 'Socket')
    onTestFinished(() => void client.destroy())
    return streamOfTls(server)
  }
  const near = await make()
  near.start(new Notes())
  await until(() => {
    gc()
    return collected.length === 2
  })
  expect(near.isOpen).toBe(true)
  near.destroy()
})

describe.runIf(raw)('after the handshake', () => {
  /** `openssl s_client`, and what the server sees of it. */
  async function openssl(args: readonly string[], secureOptions = 0) {
    const secureContext = createSecureContext({ key, cert, secureOptions })
    const accepted = Promise.withResolvers<ByteStream>()
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      const tls = new TLSSocket(socket, { isServer: true, secureContext })
      tls.once('secure', () => accepted.resolve(streamOfTls(tls)))
    })
    const port = await listen(server)
    const child = spawn('openssl', [
      's_client',
      '-connect',
      `127.0.0.1:${port}`,
      ...args,
    ]) as ChildProcessWithoutNullStreams
    const exited = once(child, 'exit')
    const near = await accepted.promise
    server.close()
    const notes = new Notes((text) => near.writeText(text.toUpperCase()))
    near.start(notes)
    const said: string[] = []
    for (const output of [child.stdout, child.stderr])
      output.on('data', (chunk: Buffer) => void said.push(chunk.toString()))
    child.stdin.on('error', () => {})
    onTestFinished(async () => {
      near.destroy()
      child.kill()
      await exited
    })
    return { child, near, notes, said: () => said.join('') }
  }

  test('a client may change its keys, and ask for new ones', async () => {
    const { child, notes, said } = await openssl(['-tls1_3'])
    child.stdin.write('one\n')
    await until(() => said().includes('ONE'))
    child.stdin.write('K\n')
    await new Promise((resolve) => setTimeout(resolve, 50))
    child.stdin.write('two\n')
    await until(() => said().includes('TWO'))
    expect(notes).toMatchObject({ text: 'one\ntwo\n', events: [] })
  })

  test('TLS 1.2: a renegotiation ends the connection', async () => {
    const { child, notes } = await openssl(['-tls1_2'])
    child.stdin.write('R\n')
    await until(() => notes.events.includes('close'))
    expect(notes.events).toEqual(['TLS renegotiation is not allowed', 'close'])
  })
})
