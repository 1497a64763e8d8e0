import { describe, expect, test } from 'vitest'
import { Fields } from '../../core/http/fields.ts'
import { removeHopByHop } from '../../core/http/hop-by-hop.ts'
import { Malformed } from '../../core/http/malformed.ts'
import { encodeFields } from '../../core/http1/encode-fields.ts'
import { parseRequestHead, type RequestHead } from '../../core/http1/parse-head.ts'
import { open } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'
import { bytesOf, readRequests, readResponse } from './messages.ts'
import { answering, collect, ok, rawBackend } from './raw-backend.ts'
import { startRelay } from './relay.ts'

const get = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'

function parse(head: string): RequestHead {
  const bytes = bytesOf(head)
  const parsed = parseRequestHead(bytes, 0, bytes.length - 2)
  if (parsed instanceof Malformed) throw new Error(parsed.problem)
  return parsed
}

/** Vulnerabilities of other products: each test is named after the report. */
describe('reports against others', () => {
  test('CVE-2026-33805: a client names a field of the proxy in Connection', () => {
    const { fields } = parse(
      'GET / HTTP/1.1\r\nhost: a\r\nconnection: close, x-forwarded-for, host, content-length\r\n\r\n',
    )
    removeHopByHop(fields)
    fields.set('x-forwarded-for', '192.0.2.1')
    expect(encodeFields(fields)).toBe('host: a\r\nx-forwarded-for: 192.0.2.1\r\n')
  })

  test.each([
    ['Content-Length: 5\r\ncontent-length: 6'],
    ['Content-Length: 5\r\nCONTENT-LENGTH: 5'],
    ['content-length: 5, 5'],
  ])('CVE-2026-1525: duplicate Content-Length in case variants: %j', (lines) => {
    expect(readRequests([bytesOf(`POST / HTTP/1.1\r\nhost: a\r\n${lines}\r\n\r\nhello`)]).refused).toBeDefined()
    // Equal lengths in a response have one meaning, and go on as one.
    const response = readResponse([bytesOf(`HTTP/1.1 200 OK\r\n${lines}\r\n\r\nhello`)], 'GET', true)
    if (lines.includes('6')) expect(response.refused).toBeDefined()
    else expect(response.messages[0]).toMatchObject({ fields: ['content-length', '5'], body: 'hello', complete: true })
  })

  test('GHSA-35p6-xmwp-9g52: bytes on an idle connection are not the next response', async () => {
    const backend = await answering(ok)
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(get)
    await until('the answer', () => relay.pool.idle === 1)
    for (const socket of backend.sockets) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil')
    await until('the connection gone', () => relay.pool.idle === 0)
    client.write(get)
    await until('the second answer', () => got.text.match(/200 OK/g)?.length === 2)
    expect(got.text).not.toContain('evil')
    expect(backend.seen).toEqual([get, get])
  })

  test('undici #5579, CVE-2026-55603: CR and LF in a value that code added', () => {
    const values = ['a\r\nx-admin: 1', 'a\nb', 'a\rb', 'a\u010ab', 'a\u010db', 'a\0b']
    for (const value of values) {
      const fields = new Fields(['x', value])
      fields.append('x', value)
      fields.set('y', value)
      fields.set('y', value)
      expect(encodeFields(fields)).toMatch(/^(?:[xy]: a[ \w:\x80-\xff-]+\r\n){3}$/)
    }
    const fields = new Fields(['x\r\ny', '1', 'x: y', '2', '', '3'])
    fields.append('x\r\n', '1')
    fields.set('x y', '1')
    expect(encodeFields(fields)).toBe('')
  })

  test('a header named __proto__ is a header', () => {
    const { fields } = parse('GET / HTTP/1.1\r\nhost: a\r\n__proto__: 1\r\nconstructor: 2\r\ntoString: 3\r\n\r\n')
    expect(fields.get('__proto__')).toBe('1')
    expect(fields.get('constructor')).toBe('2')
    expect(fields.get('valueof')).toBeUndefined()
    expect(({} as Record<string, unknown>)['1']).toBeUndefined()
  })

  test('HashDoS: names are a list of at most 200, never keys', () => {
    const lines = (count: number): string => Array.from({ length: count }, (_, i) => `x-${i}: 1\r\n`).join('')
    expect(readRequests([bytesOf(`GET / HTTP/1.1\r\n${lines(200)}\r\n`)]).messages).toHaveLength(1)
    expect(readRequests([bytesOf(`GET / HTTP/1.1\r\n${lines(201)}\r\n`)]).refused).toMatchObject({ status: 431 })
  })

  test('CVE-2024-23326: a 200 to an upgrade does not make a tunnel', async () => {
    const backend = await answering(ok)
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(
      'GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nGET /admin HTTP/1.1\r\n\n',
    )
    await until('the refusal', () => got.text.includes('HTTP/1.1 400'))
    expect(backend.seen.join('')).not.toContain('admin')
  })

  test('CVE-2026-44578: an upgrade passes the policies like any other request', async () => {
    const relay = await startRelay(1)
    const asked: (string | undefined)[] = []
    relay.answer = (exchange) => {
      asked.push(exchange.upgrade)
      queueMicrotask(() => {
        exchange.respond(403, '', new Fields(['content-length', '0']))
        exchange.end()
      })
      return { onBody() {}, onBodyEnd() {}, onWritable() {}, onSent() {}, onGone() {} }
    }
    const client = await open(relay.port)
    const got = collect(client)
    client.write('GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
    await until('the refusal', () => got.text.includes('HTTP/1.1 403'))
    expect(asked).toEqual(['websocket'])
  })

  test('CVE-2026-26311: the owner gets no call after its request was reset', async () => {
    const backend = await rawBackend((socket) => void setTimeout(() => socket.write(ok), 50))
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    client.write(get)
    await until('the request', () => backend.seen[0] === get)
    client.resetAndDestroy()
    await until('the end of it all', () => backend.sockets.size === 0)
    expect(relay.ends).toEqual(['gone'])
  })

  test('CVE-2024-22019: endless chunk extensions', () => {
    const endless = `POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;${'a'.repeat(100_000)}`
    expect(readRequests([bytesOf(endless)]).refused).toBeDefined()
    const pieces = [...endless].map(bytesOf)
    expect(readRequests(pieces).refused).toBeDefined()
  })

  test('CVE-2022-32213 to -32215, CVE-2023-30589, CVE-2024-27982: what two parsers read differently', () => {
    const post = 'POST / HTTP/1.1\r\nhost: a\r\n'
    for (const head of [
      `${post}transfer-encoding: chunkedchunked\r\n\r\n`,
      `${post}transfer-encoding: chunked\r\n identity\r\n\r\n`,
      `${post}x: a\rcontent-length: 5\r\n\r\n`,
      `${post}x: a\n\ntransfer-encoding: chunked\r\n\r\n`,
      `${post} content-length: 5\r\n\r\n`,
      `${post}content-length : 5\r\n\r\n`,
      `${post}\x0btransfer-encoding: chunked\r\n\r\n`,
    ]) {
      expect(readRequests([bytesOf(head)]).refused, head).toBeDefined()
    }
  })
})
