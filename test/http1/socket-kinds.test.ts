import { createServer, type Socket } from 'node:net'
import { setTimeout as later, setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { connectSocket } from '../../core/net/connect.ts'
import { DuplexStream, SocketReader } from '../../core/net/duplex-stream.ts'
import { areRawSocketsUsable } from '../../core/net/raw-check.ts'
import { tcpBackend } from '../helpers/backend.ts'
import { startRelay } from './relay.ts'
import { carrier, carryBy, open, reset, type Transport } from './transport.ts'

const raw = carrier()

/** As where raw sockets cannot be used. */
const sockets: Transport = {
  ...raw,
  async listen(accept) {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => accept(new DuplexStream(socket)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return server
  },
  connectTo(backend, timeout, done) {
    const reader = new SocketReader()
    const connected: Parameters<typeof connectSocket>[2] = (error, socket) =>
      done(error, socket && new DuplexStream(socket, reader))
    return connectSocket(backend, timeout, connected, reader.onread)
  },
}

const get = 'GET / HTTP/1.1\r\nhost: h\r\n'
const post = 'POST / HTTP/1.1\r\nhost: h\r\n'
const ok = 'HTTP/1.1 200 OK\r\ndate: now\r\n'
const requests = [
  ...[`${get}\r\n`, `${get}connection: close\r\n\r\n`, 'HEAD / HTTP/1.1\r\nhost: h\r\n\r\n', `${get}\r\n`.repeat(3)],
  ...[
    `${post}content-length: 11\r\n\r\nhello\xe9\xfforld`,
    `${post}content-length: 9\r\nexpect: 100-continue\r\n\r\nmore`,
  ],
  `${post}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n`,
  `${post}content-length: 400000\r\n\r\n${'u'.repeat(400_000)}`,
  `${get}connection: upgrade\r\nupgrade: echo\r\n\r\nearly`,
  'BAD\r\n\r\n',
]
const responses = [
  ...[
    `${ok}content-length: 2\r\n\r\nok`,
    `${ok}content-length: 2\r\n\r\nokMORE`,
    'HTTP/1.1 304 N\r\ndate: now\r\n\r\n',
  ],
  ...[`${ok}content-length: 5\r\nconnection: close\r\n\r\n\x80\xe9abc`, `${ok}\r\nuntil the end`, 'junk\r\n\r\n'],
  ...[`${ok}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`, `${ok}transfer-encoding: chunked\r\n\r\n5\r\nhe`],
  // More than the system keeps for who does not read.
  `${ok}content-length: 6000000\r\n\r\n${'d'.repeat(6_000_000)}`,
  ...['HTTP/1.1 103 E\r\n\r\n', 'HTTP/1.1 413 L\r\ndate: now\r\ncontent-length: 1\r\n\r\nx'],
  'HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello',
]

interface Step {
  readonly by: 'client' | 'backend'
  /** What it writes; the part of it that is written. */
  readonly what: number
  readonly from: number
  readonly to: number
  /** What it does besides. */
  readonly afterwards: 'nothing' | 'end' | 'reset' | 'pause' | 'resume'
}

const part = fc.constantFrom([0, 1], [0, 1], [0, 1], [0, 0.5], [0.5, 1], [0, 0.95], [0.95, 1])
const step: fc.Arbitrary<Step> = fc
  .record({
    by: fc.constantFrom('client', 'backend'),
    what: fc.nat(requests.length * responses.length - 1),
    part,
    afterwards: fc.constantFrom('nothing', 'nothing', 'nothing', 'nothing', 'end', 'reset', 'pause', 'resume'),
  })
  .map(({ part: [from = 0, to = 1], ...rest }) => ({ ...rest, from, to }) as Step)

/** What one end of a connection has seen. */
class Seen {
  bytes = 0
  text = ''
  ends = ''
  readonly #moved: () => void

  constructor(socket: Socket, moved: () => void) {
    this.#moved = moved
    socket.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length
      this.text += chunk.toString('latin1')
      moved()
    })
    socket.on('end', () => this.#ended('end '))
    socket.on('error', () => this.#ended('reset '))
    socket.on('close', moved)
  }

  #ended(how: string): void {
    this.ends += how
    this.#moved()
  }
}

/** Plays a script with a relay between both sides, and says all that could be seen of it. */
async function played(script: readonly Step[], transport: Transport): Promise<object> {
  let moves = 0
  const moved = (): void => void moves++
  const reached: [Socket, Seen][] = []
  const backend = await tcpBackend((socket) => void reached.push([socket.setNoDelay(), new Seen(socket, moved)]))
  carryBy(transport)
  const relay = await startRelay(backend.port)
  carryBy(raw)
  relay.whole = true
  const client = (await open(relay.port)).setNoDelay()
  const atClient = new Seen(client, moved)
  /** Until nothing moves any more. */
  const settle = async (): Promise<void> => {
    for (let before = -1; before !== moves; ) {
      before = moves
      await later(2)
      for (let i = 0; i < 12; i++) await turn()
    }
  }
  for (const { by, what, from, to, afterwards } of script) {
    const all = by === 'client' ? requests : responses
    const bytes = all[what % all.length]!
    const socket = by === 'client' ? client : reached.at(-1)?.[0]
    if (socket === undefined || socket.destroyed) continue
    const piece = bytes.slice(Math.floor(from * bytes.length), Math.floor(to * bytes.length))
    if (!socket.writableEnded) socket.write(piece, 'latin1')
    await settle()
    if (afterwards === 'end') socket.end()
    else if (afterwards === 'reset') reset(socket)
    else if (afterwards !== 'nothing') socket[afterwards]()
    await settle()
  }
  client.resume()
  for (const [socket] of reached) socket.resume()
  await settle()
  const result = { client: { ...atClient }, backend: reached.map(([, seen]) => ({ ...seen })), ends: [...relay.ends] }
  client.destroy()
  await settle()
  return result
}

test.skipIf(!areRawSocketsUsable())(
  'whatever both sides do, raw sockets and sockets of node come to the same',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (script) => {
        const opened: Step = { by: 'client', what: script[0]!.what, from: 0, to: 1, afterwards: 'nothing' }
        // On a busy machine bytes may come late; what differs three times is no coincidence.
        for (let left = 2; ; left--) {
          const [one, other] = [await played([opened, ...script], raw), await played([opened, ...script], sockets)]
          if (left === 0) expect(one).toEqual(other)
          if (JSON.stringify(one) === JSON.stringify(other)) return
        }
      }),
      { numRuns: Number(process.env.SOCKET_RUNS ?? 15), endOnFailure: true, interruptAfterTimeLimit: 60_000 },
    )
  },
)
