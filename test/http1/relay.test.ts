import { describe, expect, test } from 'vitest'
import { Fields } from '../../core/http/fields.ts'
import { drained } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'
import { idleOwner } from './idle-owner.ts'
import { answering, collect, dateless, ok, rawBackend } from './raw-backend.ts'
import { startRelay } from './relay.ts'
import { open } from './transport.ts'

const get = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'

describe('one exchange, byte by byte on both sides', () => {
  test('a request and its response; the connections are used again', async () => {
    const backend = await answering('HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nok')
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write('GET /a?b HTTP/1.1\r\nHost: h\r\nX-Y:  z \r\nConnection: x-gone\r\nX-Gone: 1\r\n\r\n')
    await until('the answer', () => got.text.endsWith('ok'))
    expect(backend.seen).toEqual(['GET /a?b HTTP/1.1\r\nHost: h\r\nX-Y: z\r\n\r\n'])
    expect(dateless(got.text)).toBe('HTTP/1.1 200 Fine\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nok')
    client.write('GET /2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    await until('the end', () => got.end)
    expect(got.text.endsWith('connection: close\r\n\r\nok')).toBe(true)
    expect(relay.ends).toEqual(['sent', 'sent'])
    expect(backend.seen).toHaveLength(1)
  })

  test('a body of known length', async () => {
    const backend = await rawBackend((socket, seen) => void (seen.endsWith('hello') && socket.write(ok)))
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel')
    await until('the first part', () => backend.seen[0]?.endsWith('hel'))
    client.write('lo')
    await until('the answer', () => got.text.endsWith('ok'))
    expect(backend.seen).toEqual(['POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello'])
  })

  test('chunked both ways, with trailers: framed anew, extensions gone', async () => {
    const backend = await rawBackend((socket, seen) => {
      if (!seen.endsWith('\r\n0\r\nX-Sum: 1\r\n\r\n')) return
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n3;a=b\r\nabc\r\n')
      socket.write('0\r\nX-End: 2\r\nHost: evil\r\n\r\n')
    })
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write('POST / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: te\r\nTransfer-Encoding: chunked\r\n\r\n')
    client.write('5;ext\r\nhello\r\n01\r\n!\r\n0\r\nX-Sum: 1\r\nContent-Type: evil\r\n\r\n')
    await until('the end of the answer', () => got.text.endsWith('\r\n0\r\nX-End: 2\r\n\r\n'))
    const [head, body] = backend.seen[0]!.split('\r\n\r\n')
    expect(head).toBe('POST / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nconnection: te')
    expect(body!.startsWith('6\r\nhello!\r\n0\r\n')).toBe(true)
    expect(dateless(got.text)).toBe(
      'HTTP/1.1 200 OK\r\nTrailer: X-End\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-End: 2\r\n\r\n',
    )
  })

  test('head and small body leave in one write, both ways', async () => {
    const reads: string[] = []
    const backend = await rawBackend((socket, seen) => {
      reads.push(seen)
      if (seen.endsWith('0\r\n\r\n'))
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n')
    })
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const writes: string[] = []
    client.on('data', (chunk: Buffer) => writes.push(chunk.toString()))
    client.write('POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n')
    await until('the answer', () => writes.join('').endsWith('0\r\n\r\n'))
    expect(reads).toHaveLength(1)
    expect(writes).toHaveLength(1)
  })

  test.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n'],
    ['HEAD', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['GET', 'HTTP/1.1 304 \r\ncontent-length: 5\r\n\r\n', 'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n'],
    ['GET', 'HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n', 'HTTP/1.1 204 No Content\r\n\r\n'],
  ])('a response without a body to %s: %j', async (method, answer, expected) => {
    const backend = await answering(answer)
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    for (let i = 1; i <= 2; i++) {
      client.write(`${method} / HTTP/1.1\r\nhost: h\r\n\r\n`)
      await until('the answer', () => dateless(got.text) === expected.repeat(i))
    }
    expect(backend.seen).toHaveLength(1)
  })

  test('interim responses are forwarded, 100 too, and none to HTTP/1.0', async () => {
    const backend = await answering(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 P\r\n\r\n${ok}`)
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(get)
    await until('the answer', () => got.text.endsWith('ok'))
    expect(dateless(got.text)).toBe(
      `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${ok}`,
    )
    const old = await open(relay.port)
    const answer = drained(old)
    old.write('GET / HTTP/1.0\r\nhost: h\r\n\r\n')
    expect(dateless(await answer)).toBe('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok')
  })
})

describe('Expect: 100-continue', () => {
  const head = 'POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n'

  test('goes to the backend, whose 100 lets the body come', async () => {
    const backend = await rawBackend((socket, seen) => {
      if (seen.endsWith('\r\n\r\n')) setImmediate(() => socket.write('HTTP/1.1 100 Continue\r\n\r\n'))
      if (seen.endsWith('hello')) socket.write(ok)
    })
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(head)
    await until('the 100', () => got.text === 'HTTP/1.1 100 Continue\r\n\r\n')
    expect(backend.seen).toEqual([head])
    client.write('hello')
    await until('the answer', () => got.text.endsWith('ok'))
    expect(backend.seen).toEqual([`${head}hello`])
    expect(relay.pool.idle).toBe(1)
  })

  test('a backend that says nothing gets the body after a while', async () => {
    const backend = await rawBackend((socket, seen) => void (seen.endsWith('hello') && socket.write(ok)))
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(head)
    await until('the 100', () => got.text === 'HTTP/1.1 100 Continue\r\n\r\n')
    client.write('hello')
    await until('the answer', () => got.text.endsWith('ok'))
  })

  test('a final response instead ends both connections, for the body may come or not', async () => {
    const backend = await answering('HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n')
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(head)
    await until('the end', () => got.end)
    expect(dateless(got.text)).toBe('HTTP/1.1 401 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
    expect(backend.seen).toEqual([head])
    expect(relay.pool.idle).toBe(0)
  })

  test('no 100 for a body that has begun to arrive, none for HTTP/1.0; other expectations are 417', async () => {
    const backend = await rawBackend((socket, seen) => void (seen.endsWith('hello') && socket.write(ok)))
    const relay = await startRelay(backend.port)
    for (const [bytes, start] of [
      [`${head}hello`, 'HTTP/1.1 200'],
      [head.replace('1.1', '1.0').replace('expect', 'x') + 'hello', 'HTTP/1.1 200'],
      [head.replace('100-continue', 'other'), 'HTTP/1.1 417'],
    ] as const) {
      const client = await open(relay.port)
      const got = collect(client)
      client.write(bytes)
      await until(start, () => got.text.startsWith(start))
    }
  })
})

describe('keeping connections', () => {
  test('pipelined requests are answered in order, however late the first', async () => {
    const backend = await rawBackend((socket, seen) => {
      const path = /GET (\S+) \S+\r\nhost: h\r\n\r\n$/.exec(seen.slice(seen.lastIndexOf('GET')))?.[1]
      const answer = `HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n${path}`
      if (path === '/1') setTimeout(() => socket.write(answer), 50)
      else socket.write(answer)
    })
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(['/1', '/2', '/3'].map((path) => `GET ${path} HTTP/1.1\r\nhost: h\r\n\r\n`).join(''))
    await until('three answers', () => got.text.endsWith('/3'))
    expect(got.text.match(/\r\n\r\n\/\d/g)).toEqual(['\r\n\r\n/1', '\r\n\r\n/2', '\r\n\r\n/3'])
    expect(relay.ends).toEqual(['sent', 'sent', 'sent'])
  })

  test('HTTP/1.0 is closed unless it asks to be kept; what has no length ends with the connection', async () => {
    const backend = await answering('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n')
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write('GET / HTTP/1.0\r\nhost: h\r\nconnection: keep-alive\r\n\r\n')
    await until('the end', () => got.end)
    expect(dateless(got.text)).toBe('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok')
    const sized = await answering(ok)
    const other = await startRelay(sized.port)
    const kept = await open(other.port)
    const text = collect(kept)
    for (let i = 1; i <= 2; i++) {
      kept.write('GET / HTTP/1.0\r\nhost: h\r\nconnection: keep-alive\r\n\r\n')
      await until('the answer', () => text.text.match(/connection: keep-alive\r\n\r\nok/g)?.length === i)
    }
  })

  test('an unread body is dropped; one that is known to be large ends the connection', async () => {
    const relay = await startRelay(1)
    relay.answer = (exchange) => {
      queueMicrotask(() => {
        exchange.respond(403, '', new Fields(['content-length', '0']))
        exchange.end()
      })
      return idleOwner()
    }
    const client = await open(relay.port)
    const got = collect(client)
    client.write(`POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 70000\r\n\r\n${'x'.repeat(70_000)}${get}`)
    await until('two answers', () => got.text.match(/HTTP\/1.1 403/g)?.length === 2)
    client.write('POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 7000000\r\n\r\n')
    await until('the end', () => got.end)
    expect(got.text.endsWith('connection: close\r\n\r\n')).toBe(true)
    const chunked = await open(relay.port)
    const other = collect(chunked)
    chunked.write('POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n')
    await until('the answer', () => other.text !== '')
    chunked.write(`${`8000\r\n${'x'.repeat(0x8000)}\r\n`.repeat(40)}0\r\n\r\n${get}`)
    await until('the next answer', () => other.text.match(/HTTP\/1.1 403/g)?.length === 2)
    expect(other.text).not.toContain('connection: close')
  })

  test('thousands of requests in one write, answered immediately, do not nest', async () => {
    const relay = await startRelay(1)
    relay.answer = (exchange) => {
      exchange.owner = idleOwner()
      exchange.respond(200, '', new Fields(['content-length', '0']))
      exchange.end()
      return exchange.owner
    }
    const client = await open(relay.port)
    const got = collect(client)
    client.write(get.repeat(20_000))
    await until('all answers', () => got.text.match(/HTTP\/1.1 200/g)?.length === 20_000)
  })
})
