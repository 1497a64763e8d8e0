import { expect, test } from 'vitest'
import { httpConfig, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { type RawBackend, rawBackend } from '../http1/raw-backend.ts'
import { startApp } from './app.ts'
import { content, digest } from './content.ts'
import { curl, startCurl } from './curl.ts'
import { exchangeAll } from './exchanges.ts'
import { describeWith } from './needs.ts'
import { uploadFile } from './upload-file.ts'

describeWith(['curl'], 'curl → gateway → application', () => {
  test('every kind of exchange, byte for byte', async () => {
    const app = await startApp()
    const gateway = await startInProcess(httpConfig([app.port]))
    await exchangeAll(gateway.port('web'), app)
    await until('the records', () => requests(gateway).length === app.seen.length)
    expect(requests(gateway).filter(({ outcome }) => outcome !== '')).toEqual([])
  })

  test('many requests on one connection, one connection to the application', async () => {
    const app = await startApp()
    const gateway = await startInProcess(httpConfig([app.port]))
    const paths = Array.from({ length: 200 }, (_, i) => `/bytes?size=${i}`)
    const { connects, body } = await curl(gateway.port('web'), paths)
    const expected = Buffer.concat(paths.map((_, i) => content(i)))
    expect([connects, app.connections, digest(body)]).toEqual([1, 1, digest(expected)])
  })

  test('a slow reader of 10 MB gets it all', async () => {
    const app = await startApp()
    const gateway = await startInProcess(httpConfig([app.port]))
    const { child, result } = startCurl(gateway.port('web'), '/bytes?size=10000000', ['--limit-rate', '12M'])
    child.stdout!.pause()
    await until('the request', () => app.seen.length === 1)
    child.stdout!.resume()
    const { code, body } = await result
    expect([code, digest(body)]).toEqual([0, digest(content(10_000_000))])
  })
})

describeWith(['curl'], 'curl → gateway → a server of its own kind', () => {
  const text = 'one line\n'.repeat(5000)

  test.each([
    ['HTTP/1.0, to the end of the connection', `HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n${text}`],
    ['HTTP/1.0 with a length', `HTTP/1.0 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`],
    ['no fields at all', `HTTP/1.1 200 OK\r\n\r\n${text}`],
    ['an extension on every chunk', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks(text, ';x="y"')}`],
    ['a byte a chunk', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks(text.slice(0, 900), '', 1)}`],
  ])('%s', async (_what, answer) => {
    const { port, backend, gateway } = await startRaw((socket) => socket.end(answer))
    const { code, body, heads } = await curl(port, '/a?b=c')
    expect(code).toBe(0)
    expect(body.toString()).toBe(text.slice(0, body.length))
    expect(body.length).toBe(answer.includes('1\r\no\r\n1\r\nn\r\n') ? 900 : text.length)
    expect(heads).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    expect(backend.seen[0]).toMatch(/^GET \/a\?b=c HTTP\/1.1\r\n/)
    expect((await gateway.record(({ msg }) => msg === 'request')).outcome).toBe('')
  })

  test.each([
    ['a length that is too large', 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort', 18],
    ['a chunk that does not end', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nshort', 18],
  ])('%s: curl can tell', async (_what, answer, code) => {
    const { port, gateway } = await startRaw((socket) => socket.end(answer))
    const result = await curl(port, '/')
    // Both mean that the transfer broke off: 18 at its end, 56 by a reset.
    expect([code, 56]).toContain(result.code)
    expect(result.body.toString()).toBe('short'.slice(0, result.body.length))
    expect((await gateway.record(({ msg }) => msg === 'request')).outcome).toBe('UC')
  })

  test('an answer in the middle of an upload: curl gets it', async () => {
    const refusal = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno'
    const { port, gateway } = await startRaw((socket, seen) => {
      if (seen.length > 100_000) socket.write(refusal)
    })
    const result = await curl(port, '/', ['-T', uploadFile(content(3_000_000)), '-H', 'Expect:'])
    expect([result.status, result.body.toString()]).toEqual([403, 'no'])
    expect((await gateway.record(({ msg }) => msg === 'request')).status).toBe(403)
  })

  test('a refusal instead of a 100: not a byte of the body is sent', async () => {
    const { port, backend } = await startRaw((socket) => socket.write('HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n'))
    const result = await curl(port, '/', ['--data-binary', `@${uploadFile(content(3_000_000))}`])
    expect([result.code, result.status]).toEqual([0, 401])
    expect(backend.seen[0]).toMatch(/\r\nexpect: 100-continue\r\n(.|\r\n)*\r\n\r\n$/i)
  })
})

async function startRaw(onBytes: Parameters<typeof rawBackend>[0]): Promise<{
  readonly port: number
  readonly backend: RawBackend
  readonly gateway: TestGateway
}> {
  const backend = await rawBackend(onBytes)
  const gateway = await startInProcess(httpConfig([backend.port]))
  return { port: gateway.port('web'), backend, gateway }
}

function chunks(text: string, extension: string, size = 1000): string {
  let framed = ''
  for (let at = 0; at < text.length; at += size) {
    const part = text.slice(at, at + size)
    framed += `${part.length.toString(16)}${extension}\r\n${part}\r\n`
  }
  return `${framed}0\r\n\r\n`
}

function requests({ log }: TestGateway): Record<string, unknown>[] {
  return log.filter(({ msg }) => msg === 'request')
}
