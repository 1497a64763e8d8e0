import { connect } from 'node:http2'
import { expect, test } from 'vitest'
import { Fields } from '../../core/http/fields.ts'
import type { UpstreamOwner } from '../../core/http/upstream-exchange.ts'
import { Http2Pool } from '../../core/http2/connection-pool.ts'
import { connectTo } from '../../core/net/connect.ts'
import { tcpBackend } from '../helpers/backend.ts'
import { settings } from './frames.ts'
import { hostileStream, Random } from './streams.ts'

/** `HTTP2_FUZZ_RUNS=1000000` for a night; `HTTP2_FUZZ_SEED` to see one again. */
const runs = Number(process.env.HTTP2_FUZZ_RUNS ?? 700)
const firstSeed = Number(process.env.HTTP2_FUZZ_SEED ?? 1)
const timeout = 90_000 + runs * 60

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
  let bytes = Buffer.alloc(0)
  const backend = await tcpBackend((socket) => {
    let isAnswered = false
    socket.on('data', (chunk: Buffer) => {
      // The request's head is the only frame of type 1 with END_STREAM and END_HEADERS.
      if (isAnswered || !chunk.includes(Buffer.from('0105000000', 'hex'))) return
      isAnswered = true
      socket.end(bytes)
    })
  })
  let taken = 0
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const random = new Random(seed)
    const method = random.once(5) ? 'HEAD' : 'GET'
    bytes = Buffer.concat([settings(), hostileStream(random, false)])
    const [own, other] = await Promise.all([ours(backend.port, method), nodes(backend.port, method)])
    if (typeof own === 'string') continue
    taken++
    expect(other, `seed ${seed}, ${method}: ${bytes.toString('hex')}`).toEqual(own)
  }
  // The streams are worth reading.
  expect(taken).toBeGreaterThan(runs / 8)
})
