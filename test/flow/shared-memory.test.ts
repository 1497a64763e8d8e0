import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, request, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { httpBackend } from '../helpers/backend.ts'
import { open } from '../helpers/client.ts'
import { httpConfig, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

/** Holds what it asks for and does nothing with it, so that bodies lie in the gateway while others arrive. */
const holder = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'holder',
  reads: ['body:prefix:5000', 'response.body:prefix:5000'],
  onRequest({ request }) { request.body?.bytes.length },
  onResponse({ response }) { response.body?.bytes.length },
})`

/** Looks at every chunk, which waits meanwhile, and sends it on as it is, or as a copy. */
const looker = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'looker',
  writes: ['body', 'response.body'],
  onRequestBody({ chunk }) { chunk.bytes.length },
  onResponseBody({ chunk }) { return chunk.bytes.length % 2 === 0 ? chunk.bytes.slice() : undefined },
})`

const files = { 'plugins/holder/index.ts': holder, 'plugins/looker/index.ts': looker }

/** Sends back what it gets, framed as the number in the path says; as it comes, or all of it at the end. */
async function startEcho(policy?: 'holder' | 'looker') {
  const backend = createServer((incoming, outgoing) => void echoBack(incoming, outgoing).catch(() => {}))
  backend.on('upgrade', (_request, socket: Socket, first: Buffer) => {
    socket.write('HTTP/1.1 101 Yes\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
    socket.write(first)
    socket.on('error', () => {}).pipe(socket)
  })
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void backend.close())
  const policies = { routes: { all: { policies: ['it'] } }, policies: { it: { plugin: policy ?? '' } } }
  return startInProcess(
    httpConfig([(backend.address() as AddressInfo).port], policy === undefined ? {} : policies),
    files,
  )
}

async function echoBack(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const number = Number(incoming.url!.slice(1))
  const length = incoming.headers['content-length']
  if (number % 4 === 1) outgoing.removeHeader('transfer-encoding')
  const headers: OutgoingHttpHeaders = { 'x-path': incoming.url }
  if (number % 4 === 2 && length !== undefined) headers['content-length'] = length
  const all: Buffer[] = []
  outgoing.writeHead(200, headers)
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    // A backend that breaks off in the middle.
    if (number % 11 === 10 && all.length === 3) return void outgoing.destroy()
    all.push(chunk)
    if (number % 2 === 0) await write(outgoing, chunk)
  }
  outgoing.end(number % 2 === 0 ? undefined : Buffer.concat(all))
}

/** From a few bytes to more than what one read takes. */
const sizes = [1, 40, 900, 5000, 12_000, 40_000, 70_000, 300_000]

interface Manner {
  /** Sends only so many bytes, and then leaves. */
  readonly leavesAfter?: number
  /** Looks at the response only then. */
  readonly reads?: Promise<unknown>
}

/** Sends a body and tells whether it came back: `same`, `other`, or `cut` where the gateway told so. */
async function roundTrip(gateway: TestGateway, number: number, body: Buffer, manner: Manner = {}): Promise<string> {
  const headers = number % 3 === 0 ? { 'content-length': body.length } : {}
  const host = { host: '127.0.0.1', port: gateway.port('web') }
  const outgoing = request({ ...host, method: 'POST', path: `/${number}`, headers, agent: false })
  const answer = new Promise<IncomingMessage>((resolve, reject) => outgoing.on('response', resolve).on('error', reject))
  const sent = send(outgoing, number, body, manner.leavesAfter ?? Number.POSITIVE_INFINITY)
  try {
    const response = await answer
    await manner.reads
    const echoed: Buffer[] = []
    for await (const chunk of response as AsyncIterable<Buffer>) {
      echoed.push(chunk)
      // A client that reads slowly has the gateway keep what it could not write.
      if (number % 3 === 0) await turn()
    }
    await sent
    if (response.statusCode !== 200) return 'cut'
    const isSame = response.headers['x-path'] === `/${number}` && digest(Buffer.concat(echoed)) === digest(body)
    return isSame ? 'same' : 'other'
  } catch {
    await sent
    return 'cut'
  }
}

async function send(outgoing: NodeJS.WritableStream & { destroy(): void }, number: number, body: Buffer, most: number) {
  for (let at = 0; at < body.length; ) {
    if (at >= most) return outgoing.destroy()
    const piece = body.subarray(at, at + 1 + ((number * 7919 + at) % (number % 5 === 0 ? 70_000 : 9000)))
    at += piece.length
    // The gateway may have broken the connection.
    if ((await write(outgoing, piece).catch(() => 'cut')) === 'cut') return
    await turn()
  }
  outgoing.end()
}

/** All sockets read into the same memory: what one connection keeps must never be what another one was sent. */
describe('bodies of many connections stay apart', () => {
  test.each([
    ['passing through', undefined],
    ['held by a policy', 'holder'],
    ['looked at by a policy, chunk by chunk', 'looker'],
  ] as const)('%s; some are cut short on either side', async (_how, policy) => {
    const gateway = await startEcho(policy)
    const results = await Promise.all(
      Array.from({ length: 132 }, async (_, number) => {
        const body = randomBytes(sizes[number % sizes.length]!)
        const leaves = number % 13 === 12
        const result = await roundTrip(gateway, number, body, leaves ? { leavesAfter: body.length / 2 } : {})
        return result === 'cut' && (leaves || number % 11 === 10) ? 'same' : result
      }),
    )
    expect(new Set(results)).toEqual(new Set(['same']))
  })

  test('when clients, and then backends, do not read at all for a while', async () => {
    // Of one chunk that the system does not take at once, a part stays in the gateway while it reads from others.
    const bulk = [2, 3, 4, 6].map((number) => ({ number, body: randomBytes(12_000_000) }))
    const held = new Set<string>()
    const hold = Promise.withResolvers<void>()
    const backend = await httpBackend(async (incoming, outgoing) => {
      const one = bulk.find(({ number }) => incoming.url === `/${number}`)
      if (one === undefined || incoming.method === 'POST') {
        if (one !== undefined) await hold.promise
        return void echoBack(incoming, outgoing).catch(() => {})
      }
      held.add(incoming.url!)
      outgoing.writeHead(200, one.number % 2 === 0 ? { 'content-length': one.body.length } : {})
      Readable.from(pieces(one.body)).pipe(outgoing)
    })
    const gateway = await startInProcess(httpConfig([backend.port]))
    const answers = bulk.map(({ number, body }) => download(gateway, `/${number}`, body, hold.promise))
    const uploads = bulk.map(({ number, body }) => roundTrip(gateway, number, body))
    await until('the downloads', () => held.size === bulk.length)
    for (let round = 0; round < 6; round++) {
      const others = Array.from({ length: 8 }, (_, number) =>
        roundTrip(gateway, 11 * number, randomBytes(round % 2 === 0 ? 300_000 : 40_000)),
      )
      expect(new Set(await Promise.all(others))).toEqual(new Set(['same']))
    }
    hold.resolve()
    expect(new Set(await Promise.all([...answers, ...uploads]))).toEqual(new Set(['same']))
  }, 30_000)

  test('and those of tunnels', async () => {
    const gateway = await startEcho()
    const tunnels = Array.from({ length: 12 }, async (_, number) => {
      const client = await open(gateway.port('web'))
      const body = randomBytes(sizes[number % sizes.length]! * 3)
      return (await tunnelled(client, body)) === digest(body) ? 'same' : 'other'
    })
    const others = Array.from({ length: 40 }, (_, number) => roundTrip(gateway, 11 * number, randomBytes(70_000)))
    const results = await Promise.all([...tunnels, ...others])
    expect(new Set(results)).toEqual(new Set(['same']))
  })
})

async function download(gateway: TestGateway, path: string, body: Buffer, reads: Promise<void>): Promise<string> {
  const outgoing = request({ host: '127.0.0.1', port: gateway.port('web'), path, agent: false }).end()
  const response = await new Promise<IncomingMessage>((resolve, reject) =>
    outgoing.on('response', resolve).on('error', reject),
  )
  await reads
  const got: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) got.push(chunk)
  return digest(Buffer.concat(got)) === digest(body) ? 'same' : 'other'
}

/** Sends the body at once with the upgrade, so that its beginning is read as HTTP. Resolves to what came back. */
async function tunnelled(client: Socket, body: Buffer): Promise<string> {
  const head = 'GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n'
  client.write(Buffer.concat([Buffer.from(head), body]))
  const got: Buffer[] = []
  client.on('data', (bytes: Buffer) => got.push(bytes))
  const rest = (): Buffer => {
    const all = Buffer.concat(got)
    const end = all.indexOf('\r\n\r\n')
    return end === -1 ? Buffer.alloc(0) : all.subarray(end + 4)
  }
  await until(
    'what was sent',
    () => got.reduce((sum, { length }) => sum + length, 0) > body.length && rest().length >= body.length,
  )
  return digest(rest())
}

/** In pieces that the gateway reads one by one, each less than its memory holds: that may then go to another connection. */
async function* pieces(body: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += 40_000) {
    yield body.subarray(at, at + 40_000)
    await turn()
  }
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function write(stream: NodeJS.WritableStream, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => stream.write(chunk, (error) => (error ? reject(error) : resolve())))
}
