import { expect, test } from 'vitest'
import { tcpBackend } from '../helpers/backend.ts'
import { open } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { collect } from '../http1/raw-backend.ts'
import { data, headers } from './frames.ts'
import { openRaw, rawBackend } from './raw.ts'
import { Random } from './streams.ts'
import { type Heard, hear } from './strict.ts'

/** `HTTP2_FUZZ_RUNS=20000` for an hour; `HTTP2_FUZZ_SEED` to see one again. */
const runs = Number(process.env.HTTP2_FUZZ_RUNS ?? 120)
const firstSeed = Number(process.env.HTTP2_FUZZ_SEED ?? 1)
const timeout = 90_000 + runs * 60

const second = 'GET /evil HTTP/1.1\r\nHost: evil\r\n\r\n'
const methods = ['GET', 'POST', 'HEAD', 'PUT', 'OPTIONS', 'get', 'GE T', `GET /evil HTTP/1.1\r\nX: `, 'PRI', 'TRACE']
const suffixes = [
  '#x',
  ' HTTP/1.1\r\nEvil: 1',
  `\r\n\r\n${second}`,
  '?x y',
  '\t',
  '//evil',
  '\0',
  '\xff',
  '%0d%0aEvil: 1',
  '?a#b',
  '/..',
]
const hosts = [
  'A.TEST',
  'a.test.',
  'a.test:80',
  'a.test:080',
  'a.test:99999',
  'u@a.test',
  'a.test/x',
  'a.test, b',
  'a.test\r\nEvil: 1',
]
const moreHosts = ['[::1]', '', 'a.test#', 'a.test?x', 'a.test:', ' a.test', 'a test', 'a.test\\b']
const values = [
  '1',
  '',
  ' 1',
  '1\t',
  '1\r\nEvil: 1',
  '1\nEvil: 1',
  '1\rEvil: 1',
  '1\0',
  '\x7f',
  '1, 2',
  '1\r\n\r\n',
  '\xe9',
  'x'.repeat(3000),
]
const names = [
  'x-a',
  'X-A',
  'x-a\r\nevil',
  'x-a: 1\r\nevil',
  'x a',
  'x-a ',
  '',
  ':evil',
  ':path',
  'x\0',
  'x-\xe9',
  'x_a',
  'content_length',
]
const framing = [
  'content-length',
  'content_length',
  'transfer-encoding',
  'transfer_encoding',
  'te',
  'connection',
  'upgrade',
  'host',
]
const more = [
  'keep-alive',
  'proxy-connection',
  'expect',
  'trailer',
  'cookie',
  'http2-settings',
  'max-forwards',
  'via',
  'x-forwarded-for',
]
const framings = [
  'chunked',
  'gzip, chunked',
  '0',
  '3',
  '5',
  '+3',
  '3, 3',
  '03',
  'trailers',
  'x-a',
  'close',
  'h2c',
  '100-continue',
  'evil',
  'a.test',
]
const bodies = ['abc', '', '0\r\n\r\n', `0\r\n\r\n${second}`, second, '\r\n', 'x'.repeat(20_000)]
const trailerNames = [
  'x-sum',
  'x-sum',
  'content-length',
  'transfer-encoding',
  'authorization',
  'host',
  'x-sum\r\nevil',
  ':path',
  'connection',
  'X-Sum',
]

/** A field that is mostly hostile. */
function fieldOf(random: Random): [string, string] {
  if (random.once(2)) return [random.of([...framing, ...more]), random.of([...framings, ...values])]
  return [random.of(names), random.of(values)]
}

/** What a stream has behind its head. */
function restOf(random: Random): { body: string | undefined; trailers: string[] } {
  const body = random.once(2) ? random.of(bodies) : undefined
  return { body, trailers: body !== undefined && random.once(3) ? [random.of(trailerNames), random.of(values)] : [] }
}

/** The frames of a message. @param pieces of its body */
function framesOf(list: readonly string[], body: string | undefined, trailers: readonly string[]): Buffer[] {
  const frames = [headers(1, list, { end: body === undefined })]
  if (body === undefined) return frames
  frames.push(data(1, body.slice(0, 10_000), { end: trailers.length === 0 && body.length <= 10_000 }))
  if (body.length > 10_000) frames.push(data(1, body.slice(10_000), { end: trailers.length === 0 }))
  if (trailers.length > 0) frames.push(headers(1, trailers, { end: true }))
  return frames
}

const config = (port: number, http: string): Json => {
  const extra = { listeners: { web: { http: ['1.1', '2'] } }, upstreams: { app: { http } } }
  return httpConfig([port], extra as Parameters<typeof httpConfig>[1])
}

/** What the other side may be told of a field: nothing of ours is called so. */
function expectNothingEvil(heard: Heard, body: string | undefined, message: string): void {
  const evil = heard.fields.filter((text, at) => at % 2 === 0 && /evil/i.test(text))
  expect([evil, heard.trailers.filter((name, at) => at % 2 === 0 && name !== 'x-sum')], message).toEqual([[], []])
  expect(heard.body === (body ?? ''), `${message}: body of ${heard.body.length} bytes`).toBe(true)
}

test('whatever a client of HTTP/2 sends, a backend of HTTP/1.1 gets whole requests, each once', {
  timeout,
}, async () => {
  const heard: Heard[] = []
  const problems: string[] = []
  const backend = await tcpBackend((socket) => {
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      for (let one = hear(text, 'request'); one !== undefined; one = hear(text, 'request')) {
        if (typeof one === 'string') {
          problems.push(`${one}: ${JSON.stringify(text.slice(0, 500))}`)
          return void socket.destroy()
        }
        heard.push(one)
        text = text.slice(one.length)
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n${one.first.startsWith('HEAD ') ? '' : 'ok'}`)
      }
    })
    socket.on('end', () => socket.end())
  })
  const { port } = await startInProcess(config(backend.port, '1.1'))
  let answered = 0
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const random = new Random(seed)
    const list = [
      ':method',
      random.once(3) ? random.of(methods) : random.of(['GET', 'POST']),
      ':scheme',
      random.once(12) ? random.of(['https', 'ftp', 'http\r\n']) : 'http',
    ]
    list.push(':path', `/a${seed}${random.once(4) ? random.of(suffixes) : ''}`)
    if (!random.once(12)) list.push(':authority', random.once(4) ? random.of([...hosts, ...moreHosts]) : 'a.test')
    if (random.once(12)) list[5] = random.of(['*', `http://evil/a${seed}`, `a${seed}`, ''])
    for (let count = random.below(3); count > 0; count--) list.push(...fieldOf(random))
    const { body, trailers } = restOf(random)
    const client = await openRaw(port('web'))
    client.send(...framesOf(list, body, trailers))
    const message = `seed ${seed}: ${JSON.stringify([list, body, trailers]).slice(0, 600)}`
    const { statuses } = await client.answer(1)
    client.socket.destroy()
    expect(problems, message).toEqual([])
    const own = heard.splice(0)
    const isServed = statuses.at(-1) === '200'
    if (isServed) answered++
    expect(own.length, message).toBeLessThanOrEqual(1)
    if (isServed && list[1] !== 'TRACE' && list[1] !== 'OPTIONS') expect(own.length, message).toBe(1)
    for (const one of own) {
      expect(one.first.startsWith(`${list[1]} ${list[5]} HTTP/1.1`), `${message}: ${one.first}`).toBe(true)
      expectNothingEvil(one, body, message)
    }
  }
  expect(answered).toBeGreaterThan(runs / 8)
})

test('whatever a backend of HTTP/2 sends, a client of HTTP/1.1 gets one response', { timeout }, async () => {
  let frames: readonly Buffer[] = []
  const backend = await rawBackend((peer, { stream, isEnd }) => {
    if (!isEnd) return
    // Made for stream 1.
    for (const frame of frames) {
      const own = Buffer.from(frame)
      own.writeUInt32BE(stream, 5)
      peer.send(own)
    }
  })
  const { port } = await startInProcess(config(backend.port, '2'))
  let whole = 0
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const random = new Random(seed)
    const list = [
      ':status',
      random.once(3) ? random.of(['204', '304', '205', '404', '101', '0200', '200 OK', '20\r\n', '999']) : '200',
    ]
    for (let count = random.below(3); count > 0; count--) list.push(...fieldOf(random))
    const { body, trailers } = restOf(random)
    const interim = random.once(4)
      ? [headers(1, [':status', random.of(['100', '103', '101', '199']), ...fieldOf(random)])]
      : []
    frames = [...interim, ...framesOf(list, body, trailers)]
    const method = random.of(['GET', 'GET', 'HEAD'])
    const socket = await open(port('web'))
    const got = collect(socket)
    socket.write(`${method} /a HTTP/1.1\r\nhost: a.test\r\nte: trailers\r\nconnection: te\r\n\r\n`)
    const message = `seed ${seed}, ${method}: ${JSON.stringify([list, body, trailers]).slice(0, 600)}`
    const read = (): Heard[] | string => {
      const all: Heard[] = []
      for (let text = got.text; text !== ''; ) {
        const one = hear(text, method === 'HEAD' ? 'response without body' : 'response')
        if (one === undefined) break
        if (typeof one === 'string') return `${one}: ${JSON.stringify(text.slice(0, 500))}`
        all.push(one)
        text = text.slice(one.length)
      }
      return all
    }
    const isFinal = ({ first }: Heard): boolean => !/^HTTP\/1\.1 1/.test(first)
    await until(
      () => `${message}: ${got.text}`,
      () => got.end !== undefined || typeof read() === 'string' || (read() as Heard[]).some(isFinal),
      20_000,
    )
    // Nothing follows it.
    await new Promise((resolve) => setImmediate(resolve))
    socket.destroy()
    const all = read()
    expect(typeof all, `${message}: ${String(all)}`).toBe('object')
    const final = (all as Heard[]).filter(isFinal)
    expect(final.length, message).toBeLessThanOrEqual(1)
    for (const one of all as Heard[]) {
      const isOwn = /^HTTP\/1\.1 (?:1|50[24])/.test(one.first)
      const isEmpty = method === 'HEAD' || /^HTTP\/1\.1 (?:204|304)/.test(one.first)
      expectNothingEvil(one, isOwn ? one.body : isEmpty ? '' : body, `${message}: ${one.first}`)
      if (!isOwn) whole++
    }
  }
  expect(whole).toBeGreaterThan(runs / 8)
})
