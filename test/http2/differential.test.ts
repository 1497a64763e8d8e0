import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import { isDeepStrictEqual } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { type Codec, type Reading, startCodec } from './codec.ts'
import { settings } from './frames.ts'
import { startOracle } from './oracle.ts'
import { openRaw, type RawPeer } from './raw.ts'
import { hostileStream, Random } from './streams.ts'

/** `HTTP2_FUZZ_RUNS=1000000` for a night; `HTTP2_FUZZ_SEED` to see one again. */
const runs = Number(process.env.HTTP2_FUZZ_RUNS ?? 700)
const firstSeed = Number(process.env.HTTP2_FUZZ_SEED ?? 1)
const timeout = 90_000 + runs * 60

/** What a codec made of a stream of frames. */
interface Outcome {
  readonly readings: ReadonlyMap<number, Reading>
  /** Code of its GOAWAY; 0 when it went on. */
  readonly code: number
  readonly said: string
}

/** @param count whole requests that are to be waited for, a moment: node answers a PING before it tells of a stream */
async function feed(codec: Codec, bytes: Buffer, count = 0): Promise<Outcome> {
  const client = await openRaw(codec.port, { settings: false })
  client.socket.write(bytes)
  await Promise.race([settledOrOver(client), quiet(client)])
  for (let turn = 0; turn < 100 && client.end === undefined && wholeOf(codec.last()).length < count; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const goaway = client.frames.find(({ name }) => name === 'GOAWAY')
  const outcome = {
    readings: codec.last(),
    code: goaway?.code ?? (client.end === undefined ? 0 : -1),
    said: client.said(),
  }
  client.socket.destroy()
  return outcome
}

/** Whether the other side has read everything, or ended the connection. */
function settledOrOver(client: RawPeer): Promise<unknown> {
  return client.settled().catch(() => {})
}

/** The stream ends within a frame: no PING will be answered. */
async function quiet(client: RawPeer): Promise<void> {
  for (let before = -1; before !== client.frames.length; ) {
    before = client.frames.length
    await new Promise((resolve) => setTimeout(resolve, 40))
  }
}

function wholeOf(readings: ReadonlyMap<number, Reading>): Reading[] {
  return [...readings.values()].filter(({ isWhole }) => isWhole)
}

/** A host is compared without case, and a value of a field as it is. */
function comparable({ method, target, fields, body, trailers }: Reading): object {
  const names = fields.filter((_, index) => index % 2 === 0)
  const lines = names.map((name, index) => `${name}: ${fields[index * 2 + 1]}`)
  // Where Host stands among the fields says nothing.
  return { method, target, fields: lines.sort(), body: body.toString('latin1'), trailers: trailers.join('\n') }
}

test('random and changed streams: what ours takes, node takes, with the same fields and bytes', {
  timeout,
}, async () => {
  const [ours, theirs] = [await startCodec(), await startOracle()]
  const preamble = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'), settings()])
  let taken = 0
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const bytes = Buffer.concat([preamble, hostileStream(new Random(seed), true)])
    const own = await feed(ours, bytes)
    const whole = wholeOf(own.readings)
    const other = await feed(theirs, bytes, whole.length)
    const message = `seed ${seed}: ${bytes.toString('hex')}\nours: ${own.said}\nnode: ${other.said}`
    taken += whole.length
    // Node gives up a whole connection for more than we do, with all that came in the same read.
    if (other.code !== 0) continue
    const rest = wholeOf(other.readings)
    for (const reading of whole) {
      const at = rest.findIndex((one) => isDeepStrictEqual(comparable(one), comparable(reading)))
      if (at === -1) expect(rest.map(comparable), message).toContainEqual(comparable(reading))
      rest.splice(0, at + 1)
    }
  }
  // The streams are worth reading.
  expect(taken).toBeGreaterThan(runs / 4)
})

test('requests of node’s client, many at once: each comes back as it was sent', { timeout }, async () => {
  const codec = await startCodec()
  for (let seed = firstSeed; seed < firstSeed + Math.max(4, runs / 100); seed++) {
    const random = new Random(seed)
    const session = connect(`http://127.0.0.1:${codec.port}`, {
      settings: {
        initialWindowSize: random.of([1_000, 65_535, 1_000_000]),
        headerTableSize: random.of([0, 100, 4_096, 65_536]),
      },
    })
    onTestFinished(() => session.destroy())
    await Promise.all(Array.from({ length: 20 }, (_, lane) => exchange(session, random, `${seed}/${lane}`)))
    session.close()
  }
})

async function exchange(session: ClientHttp2Session, random: Random, name: string): Promise<void> {
  const hasBody = !random.once(4)
  const pieces = Array.from({ length: hasBody ? random.below(6) : 0 }, () =>
    random.bytes(random.of([0, 1, 500, 30_000])),
  )
  const body = Buffer.concat(pieces)
  const value = 'v'.repeat(random.of([0, 10, 3_000]))
  const trailer = hasBody && random.once(3) ? name : undefined
  const isGivenUp = random.once(8)
  const stream = session.request(
    {
      ':method': hasBody ? 'POST' : 'GET',
      ':path': `/${name}`,
      'x-name': name,
      'x-value': value,
      cookie: ['a=b', 'c=d'],
      ...(hasBody && random.once(2) && { 'content-length': body.length }),
    },
    { endStream: !hasBody, waitForTrailers: trailer !== undefined },
  )
  const answer = answerOf(stream)
  if (trailer !== undefined) stream.on('wantTrailers', () => stream.sendTrailers({ 'x-trailer': trailer }))
  for (const piece of pieces) stream.write(piece)
  if (isGivenUp) {
    answer.catch(() => {})
    return stream.close(8)
  }
  if (hasBody) stream.end()
  const { head, text, trailers } = await answer
  expect([head[':status'], head['x-name'], head['x-value'], text.length]).toEqual([200, name, value, body.length])
  expect(text.equals(body), name).toBe(true)
  expect(trailers['x-trailer']).toBe(trailer)
}

interface NodeAnswer {
  readonly head: Record<string, unknown>
  readonly text: Buffer
  readonly trailers: Record<string, unknown>
}

function answerOf(stream: ClientHttp2Stream): Promise<NodeAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let head: Record<string, unknown> = {}
    let trailers: Record<string, unknown> = {}
    stream.on('response', (fields) => {
      head = fields
    })
    stream.on('trailers', (fields) => {
      trailers = fields
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => resolve({ head, text: Buffer.concat(chunks), trailers }))
    stream.on('error', reject)
    stream.on('close', () => reject(new Error(`closed with ${stream.rstCode}`)))
  })
}
