import { writeFileSync } from 'node:fs'
import { connect } from 'node:http2'
import { isDeepStrictEqual } from 'node:util'
import { expect, test } from 'vitest'
import { Fields } from '../../core/http/fields.ts'
import type { UpstreamOwner } from '../../core/http/upstream-exchange.ts'
import { Http2Pool } from '../../core/http2/connection-pool.ts'
import { connectTo } from '../../core/net/connect.ts'
import { tcpBackend } from '../helpers/backend.ts'
import { step, unitsOf } from './feed.ts'
import { settings, typeNames } from './frames.ts'
import { RawPeer } from './raw.ts'
import { hostileStream, Random } from './streams.ts'

/** `HTTP2_FUZZ_RUNS=1000000` for a night; `HTTP2_FUZZ_SEED` to see one again. */
const runs = Number(process.env.HTTP2_FUZZ_RUNS ?? 700)
const firstSeed = Number(process.env.HTTP2_FUZZ_SEED ?? 1)
const timeout = 90_000 + runs * 60
/** At once, each with a backend of its own. */
const lanes = 8

/**
 * Node gives up all streams of a GOAWAY with an error, those too that the backend says it has processed; it does not send again
 * what was refused; and it takes 8 CONTINUATION frames, where ours takes 32.
 */
const isStricter = /^Session closed with error code|NGHTTP2_REFUSED_STREAM$|^Too many CONTINUATION/

const noAnswer = 'no answer'

/** A response as a client read it. */
interface Reading {
  readonly status: number
  /** Names and values in turn, in the order of their lines. */
  readonly fields: readonly string[]
  readonly body: string
  readonly trailers: readonly string[]
}

/** What a client made of it: a whole response, or why there is none. */
type Outcome = Reading | string

function ours(port: number, method: string): Promise<Outcome> {
  const pool = new Http2Pool({ host: '127.0.0.1', port, address: `127.0.0.1:${port}` }, connectTo)
  return new Promise<Outcome>((resolve) => {
    const body: Buffer[] = []
    let head: { status: number; fields: readonly string[] } | undefined
    const owner: UpstreamOwner = {
      onConnected() {},
      onBodyWanted() {},
      onHead(status, _, fields) {
        head = { status, fields: [...fields.list] }
      },
      onData(chunk) {
        body.push(Buffer.from(chunk))
      },
      onEnd() {
        const trailers = [...(exchange.trailers?.list ?? [])]
        resolve({ ...head!, body: Buffer.concat(body).toString('latin1'), trailers })
      },
      onFail: (error) => resolve(`${error.code}: ${error.message}`),
    }
    const fields = new Fields(['host', 'a.test'])
    const exchange = pool.send({ method, target: '/', fields, hasBody: false }, 2_000, owner)
  }).finally(() => pool.close())
}

function nodes(port: number, method: string): Promise<Outcome> {
  const session = connect(`http://127.0.0.1:${port}`)
  return new Promise<Outcome>((resolve) => {
    const chunks: Buffer[] = []
    let status = 0
    let fields: string[] = []
    let trailers: string[] = []
    session.on('error', (error) => resolve(error.message))
    const stream = session.request({ ':method': method, ':path': '/', ':authority': 'a.test' })
    stream.on('response', (head, _, raw: unknown) => {
      status = Number(head[':status'])
      fields = (raw as string[]).slice(2)
    })
    stream.on('trailers', (_, __, raw: unknown) => {
      trailers = [...(raw as string[])]
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', (error) => resolve(error.message))
    stream.on('end', () => {
      if (stream.rstCode !== 0 || stream.aborted) return resolve(`reset ${stream.rstCode}`)
      resolve({ status, fields, body: Buffer.concat(chunks).toString('latin1'), trailers })
    })
    stream.on('close', () => resolve(`closed ${stream.rstCode}`))
    stream.end()
  }).finally(() => session.destroy())
}

test('random and changed responses: what ours takes, node takes, with the same fields and bytes', {
  timeout,
}, async () => {
  const differences: object[] = []
  const count = { streams: 0, taken: 0, gone: 0 }
  let next = firstSeed
  const lane = async (): Promise<void> => {
    const backend = await answeringOnce()
    while (next < firstSeed + runs) {
      const seed = next++
      const random = new Random(seed)
      const method = random.once(5) ? 'HEAD' : 'GET'
      const bytes = Buffer.concat([settings(), hostileStream(random, false)])
      backend.bytes = bytes
      count.streams++
      // Node tells of a response some time after it has read it: up to three times.
      for (let time = 0; time < 3; time++) {
        const [own, other] = await Promise.all([ours(backend.port, method), nodes(backend.port, method)].map(within))
        const isTaken = typeof own === 'object'
        const isSame = isTaken ? isDeepStrictEqual(other, own) : own !== noAnswer
        if (isTaken && time === 0) count.taken++
        if (isSame) break
        if (isTaken && typeof other === 'string' && isStricter.test(other)) {
          count.gone++
          break
        }
        if (time === 2) differences.push({ seed, method, bytes: bytes.toString('hex'), own, other })
      }
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  const { HTTP2_FUZZ_REPORT: report } = process.env
  if (report !== undefined) writeFileSync(report, JSON.stringify({ firstSeed, ...count, differences }))
  expect(differences).toEqual([])
  // The streams are worth reading.
  expect(count.taken).toBeGreaterThan(runs / 8)
})

/** Some streams leave node without an answer. In steps: a machine that stands still for a moment is no reason. */
function within(outcome: Promise<Outcome>): Promise<Outcome> {
  const limit = async (): Promise<string> => {
    for (let step = 0; step < 20; step++) await new Promise((resolve) => setTimeout(resolve, 500).unref())
    return noAnswer
  }
  return Promise.race([outcome, limit()])
}

/** Answers the first request of each connection with `bytes`, whatever they are, one frame after the other, and ends it. */
async function answeringOnce(): Promise<{ readonly port: number; bytes: Buffer }> {
  const { port } = await tcpBackend((socket) => {
    let isAnswered = false
    new RawPeer(socket, false, { settings: false, acks: false, credit: false }, (peer, { name }) => {
      if (isAnswered || name !== 'HEADERS') return
      isAnswered = true
      void answer(peer, backend.bytes)
    })
  })
  const backend = { port, bytes: Buffer.alloc(0) }
  return backend
}

/** ALTSVC, ORIGIN, and a setting of RFC 9218, which ours ignores as it does all that it does not know. */
function isOnlyNodes(unit: Buffer): boolean {
  const type = unit[3]
  return (
    type === 10 ||
    type === 12 ||
    (typeNames[type ?? -1] === 'SETTINGS' && unit.length > 10 && unit.readUInt16BE(9) === 9)
  )
}

async function answer(peer: RawPeer, bytes: Buffer): Promise<void> {
  for (const unit of unitsOf(bytes)) if (!isOnlyNodes(unit)) await step(peer, unit)
  peer.socket.end()
}
