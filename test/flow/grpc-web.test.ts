import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { httpConfig, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { accessRecord } from './wire.ts'

interface Seen {
  headers: IncomingHttpHeaders
  body: string
}

/** A backend of gRPC that answers with two messages, one by one. @param headAlone: only with a status */
async function start(headAlone = false): Promise<{ gateway: TestGateway; seen: Seen[] }> {
  const seen: Seen[] = []
  const server = createServer()
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const pieces: Buffer[] = []
    stream.on('data', (piece: Buffer) => pieces.push(piece))
    stream.on('end', () => {
      seen.push({ headers, body: Buffer.concat(pieces).toString('latin1') })
      const head = { ':status': 200, 'content-type': 'application/grpc+proto' }
      if (headAlone) return stream.respond({ ...head, 'grpc-status': '5', 'grpc-message': 'gone' }, { endStream: true })
      stream.respond(head, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '7', 'grpc-message': 'no%20more' }))
      stream.write('\0\0\0\0\x02hi')
      setImmediate(() => stream.end('\0\0\0\0\x03you'))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const gateway = await startInProcess(httpConfig([port], { upstreams: { app: { http: '2' } } }))
  return { gateway, seen }
}

function call(gateway: TestGateway, type: string, body: string): Promise<Response> {
  const headers = { 'content-type': type, 'x-grpc-web': '1' }
  return fetch(`http://127.0.0.1:${gateway.port('web')}/pkg.Service/Method`, { method: 'POST', headers, body })
}

const messages = '\0\0\0\0\x02hi\0\0\0\0\x03you'
const trailers = 'grpc-status: 7\r\ngrpc-message: no%20more\r\n'
const answer = `${messages}\x80\0\0\0${String.fromCharCode(trailers.length)}${trailers}`

/** Decodes texts of base64 that were padded by themselves. */
function decoded(text: string): string {
  return [...text.matchAll(/[^=]+=*/g)].map(([part]) => Buffer.from(part, 'base64').toString('latin1')).join('')
}

describe('gRPC-Web in front of a backend of gRPC', () => {
  test('in bytes: the trailers are the last frame', async () => {
    const { gateway, seen } = await start()
    const response = await call(gateway, 'application/grpc-web+proto', '\0\0\0\0\x01q')
    expect(response.headers.get('content-type')).toBe('application/grpc-web+proto')
    expect(await response.text()).toBe(Buffer.from(answer, 'latin1').toString())
    expect(seen[0]!.headers).toMatchObject({ 'content-type': 'application/grpc+proto', te: 'trailers' })
    expect(seen[0]!.body).toBe('\0\0\0\0\x01q')
    expect(await accessRecord(gateway)).toMatchObject({ status: 200, grpcStatus: 7, outcome: '' })
  })

  test('in base64, both ways', async () => {
    const { gateway, seen } = await start()
    // Two texts, each padded.
    const body = `${Buffer.from('\0\0\0\0').toString('base64')}${Buffer.from('\x01q').toString('base64')}`
    const response = await call(gateway, 'application/grpc-web-text', body)
    expect(response.headers.get('content-type')).toBe('application/grpc-web-text+proto')
    expect(decoded(await response.text())).toBe(answer)
    expect(seen[0]!.headers['content-type']).toBe('application/grpc')
    expect(seen[0]!.body).toBe('\0\0\0\0\x01q')
  })

  test.each(['application/grpc-web', 'application/grpc-web-text'])('a head alone stays one, as %s', async (type) => {
    const { gateway } = await start(true)
    const response = await call(gateway, type, '')
    expect(response.headers.get('grpc-status')).toBe('5')
    expect(response.headers.get('content-type')).toBe(`${type}+proto`)
    expect(await response.text()).toBe('')
  })

  test('refuses what is not base64', async () => {
    const { gateway } = await start()
    const response = await call(gateway, 'application/grpc-web-text', 'no base64!!!')
    expect(response.headers.get('grpc-status')).toBe('13')
    const message = 'the body of a grpc-web-text request is not base64'
    expect(response.headers.get('grpc-message')).toBe(message)
    expect(await accessRecord(gateway)).toMatchObject({ outcome: 'DPE', cause: message })
  })
})
