import { gzipSync } from 'node:zlib'
import { expect } from 'vitest'
import type { App } from './app.ts'
import { content, digest } from './content.ts'
import { type CurlResult, curl } from './curl.ts'
import { uploadFile } from './upload-file.ts'

interface Exchange {
  readonly what: string
  readonly path: string
  readonly args?: readonly string[]
  readonly status?: number
  /** What curl is to hand over. */
  readonly body?: Buffer
  /** What the application is to see of the request's body. */
  readonly sent?: Buffer
  /** In the heads that curl got. */
  readonly head?: RegExp
}

const small = Buffer.from('hello')
const large = content(3_000_000)

/** Every kind of framing, on both sides. */
function exchanges(): readonly Exchange[] {
  const file = uploadFile(large)
  return [
    { what: 'a known length', path: '/bytes?size=100000', body: content(100_000) },
    { what: '10 MB', path: '/bytes?size=10000000', body: content(10_000_000) },
    { what: 'nothing at all', path: '/bytes?size=0', body: Buffer.alloc(0) },
    { what: 'chunked', path: '/chunked?size=300000', body: content(300_000) },
    { what: 'ends with the connection', path: '/closing?size=300000', body: content(300_000) },
    { what: 'says that it is the last', path: '/last?size=5000', body: content(5000) },
    { what: 'HTTP/1.0 client', path: '/chunked?size=30000', args: ['--http1.0'], body: content(30_000) },
    { what: 'compressed', path: '/gzip?size=90000', args: ['--compressed'], body: content(90_000) },
    {
      what: 'compressed, as it is',
      path: '/gzip',
      args: ['-H', 'Accept-Encoding: gzip'],
      body: gzipSync(content(1000)),
    },
    { what: 'HEAD', path: '/bytes?size=5000', args: ['-I', '-o', '/dev/null'], head: /^content-length: 5000\r$/im },
    { what: '204', path: '/empty', status: 204, body: Buffer.alloc(0) },
    { what: 'fresh', path: '/cached', body: content(1000), head: /^etag: "one"\r$/im },
    { what: '304', path: '/cached', args: ['-H', 'If-None-Match: "one"'], status: 304, body: Buffer.alloc(0) },
    { what: 'POST', path: '/echo', args: ['-d', 'hello'], sent: small },
    { what: 'POST of nothing', path: '/echo', args: ['-X', 'POST', '-d', ''], sent: Buffer.alloc(0) },
    { what: 'DELETE with a body', path: '/echo', args: ['-X', 'DELETE', '-d', 'hello'], sent: small },
    { what: 'PUT that expects 100', path: '/echo', args: ['-T', file], sent: large },
    { what: 'POST that expects 100', path: '/echo', args: ['--data-binary', `@${file}`], sent: large },
    {
      what: 'chunked upload',
      path: '/echo',
      args: ['-T', file, '-H', 'Transfer-Encoding: chunked', '-H', 'Expect:'],
      sent: large,
    },
    {
      what: 'chunked upload that expects 100',
      path: '/echo',
      args: ['-T', file, '-H', 'Transfer-Encoding: chunked', '-H', 'Expect: 100-continue'],
      sent: large,
    },
  ]
}

/**
 * Makes every kind of exchange with the application by way of `port`, and looks at both ends.
 *
 * @param options of curl, for all of them
 */
export async function exchangeAll(port: number, app: App, prefix = '', options: readonly string[] = []): Promise<void> {
  for (const exchange of exchanges()) {
    const { what, args = [], status = 200, body, sent, head } = exchange
    const before = app.seen.length
    const result = await curl(port, prefix + exchange.path, [...options, ...args])
    expect({ what, ...facts(result) }).toEqual({ what, code: 0, status, error: '' })
    if (body !== undefined) expect([what, digest(result.body)]).toEqual([what, digest(body)])
    if (head !== undefined) expect(result.heads, what).toMatch(head)
    expect(app.seen.length, what).toBe(before + 1)
    const seen = app.seen[before]!
    expect([what, seen.url]).toEqual([what, prefix + exchange.path])
    if (sent !== undefined) expect([what, seen.length, seen.sha256]).toEqual([what, sent.length, digest(sent)])
  }
}

function facts({ code, status, error }: CurlResult): Pick<CurlResult, 'code' | 'status' | 'error'> {
  return { code, status, error }
}
