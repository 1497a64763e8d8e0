import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'

/** Holds what it asks for and does nothing with it, so that bodies lie in the gateway while others arrive. */
const holder = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'holder',
  reads: ['body:prefix:5000', 'response.body:prefix:5000'],
  onRequest({ request }) { request.body?.bytes.length },
  onResponse({ response }) { response.body?.bytes.length },
})`

/** From a few bytes to more than what one read takes. */
const sizes = [1, 40, 900, 5000, 12_000, 40_000, 70_000, 300_000]

/** All sockets read into the same memory: what one connection keeps must never be what another one was sent. */
test.each([
  ['passing through', false],
  ['held by a policy', true],
])('bodies of many connections, %s, stay apart', async (_how, held) => {
  const backend = createServer(async (incoming, outgoing) => {
    outgoing.writeHead(200, { 'x-path': incoming.url })
    for await (const chunk of incoming as AsyncIterable<Buffer>) await write(outgoing, chunk)
    outgoing.end()
  })
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void backend.close())
  const policies = { routes: { all: { policies: ['hold'] } }, policies: { hold: { plugin: 'holder' } } }
  const config = httpConfig([(backend.address() as AddressInfo).port], held ? policies : {})
  const running = await startInProcess(config, { 'plugins/holder/index.ts': holder })
  const echo = async (number: number): Promise<string> => {
    const body = randomBytes(sizes[number % sizes.length]!)
    const outgoing = request({ host: '127.0.0.1', port: running.port('web'), method: 'POST', path: `/${number}` })
    const answer = new Promise<IncomingMessage>((resolve, reject) =>
      outgoing.on('response', resolve).on('error', reject),
    )
    for (let at = 0; at < body.length; ) {
      const piece = body.subarray(at, at + 1 + ((number * 7919 + at) % 9000))
      at += piece.length
      await write(outgoing, piece)
      await turn()
    }
    outgoing.end()
    const response = await answer
    const echoed: Buffer[] = []
    for await (const chunk of response as AsyncIterable<Buffer>) {
      echoed.push(chunk)
      // A client that reads slowly has the gateway keep what it could not write.
      if (number % 3 === 0) await turn()
    }
    expect(response.headers['x-path']).toBe(`/${number}`)
    expect(digest(Buffer.concat(echoed))).toBe(digest(body))
    return 'same'
  }
  const results = await Promise.all(Array.from({ length: 120 }, (_, number) => echo(number)))
  expect(new Set(results)).toEqual(new Set(['same']))
})

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function write(stream: NodeJS.WritableStream, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => stream.write(chunk, (error) => (error ? reject(error) : resolve())))
}
