import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { Exchange } from '../../core/http/exchange.ts'
import { Fields } from '../../core/http/fields.ts'
import { deadPort } from '../helpers/backend.ts'
import { until } from '../helpers/until.ts'
import { idleOwner } from './idle-owner.ts'
import { answering, collect, dateless, ok, rawBackend } from './raw-backend.ts'
import { startRelay } from './relay.ts'
import { open, reset, writeAndReset } from './transport.ts'

const get = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'

describe('faulty backends', () => {
  const short = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok'
  const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n'

  test.each([
    ['closes before the response', '', 'end', 'UC', 502],
    ['closes in the head', 'HTTP/1.1 200 OK\r\nx: ', 'end', 'UC', 502],
    ['resets before the response', '', 'reset', 'UR', 502],
    ['resets in the head', 'HTTP/1.1 200 OK\r\nx: ', 'reset', 'UR', 502],
    ['speaks another protocol', 'SSH-2.0-x\r\n', '', 'UPE', 502],
    ['sends an invalid length', 'HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello', '', 'UPE', 502],
    ['sends an endless head', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(70_000)}`, '', 'UPE', 502],
    ['floods with interim responses', 'HTTP/1.1 102 P\r\n\r\n'.repeat(40), '', 'UPE', 502],
    ['closes in a body of known length', short, 'end', 'UC', 0],
    ['resets in a body of known length', short, 'reset', 'UR', 0],
    ['closes in a chunked body', chunked, 'end', 'UC', 0],
    ['resets in a chunked body', chunked, 'reset', 'UR', 0],
    ['resets in a body that ends with the connection', 'HTTP/1.1 200 OK\r\n\r\nok', 'reset', 'UR', 0],
    ['sends a bad chunk', `${chunked}x\r\n`, '', 'UPE', 0],
  ])('%s', async (_what, bytes, end, code, status) => {
    const backend = await rawBackend((socket) => {
      socket.write(bytes, 'latin1', () => {
        if (end === 'end') socket.end()
        // Bytes that go out together with a reset may be lost: it has to come after they were read.
        if (end === 'reset') setTimeout(() => reset(socket), bytes === '' ? 0 : 30)
      })
    })
    const relay = await startRelay(backend.port)
    const socket = await open(relay.port)
    const got = collect(socket)
    socket.write(get)
    if (status === 0) {
      // The client must be able to tell: a reset, and never the last chunk.
      await until('the reset', () => got.end)
      expect(got.end).toBe('reset')
      expect(got.text).not.toContain('\r\n0\r\n')
    } else {
      await until('the answer', () => got.text.endsWith('\r\n\r\n') && got.text.includes(`HTTP/1.1 ${status}`))
      expect(got.text).toContain(`x-outcome: ${code}`)
    }
    await until('the end of the exchange', () => relay.ends.length === 2)
    expect(relay.ends[0]).toBe(code)
    expect(relay.pool.idle).toBe(0)
    await until('no connection left to the backend', () => backend.sockets.size === 0)
  })

  test.each([
    ['until the connection ends', 'HTTP/1.1 200 OK\r\n\r\npart'],
    ['of known length', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart'],
  ])('resets a body %s: a write of the upload takes the reset, and the read sees an end', async (_what, bytes) => {
    let asked: Socket | undefined
    const backend = await rawBackend((socket) => {
      if (asked === undefined) socket.write(bytes)
      asked = socket
    })
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write('POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 99\r\n\r\nup')
    await until('the beginning of the body', () => got.text.includes('part'))
    // In this order: the codec reads the upload first, and writes it to a connection that has been reset.
    client.write('load')
    reset(asked!)
    await until('the end', () => got.end)
    expect(got.end).toBe('reset')
    expect(got.text).not.toContain('\r\n0\r\n')
    expect(relay.ends[0]).toBe('UR')
  })

  test.each([
    ['whole', (exchange: Exchange) => exchange.respondWhole(200, '', new Fields(['content-length', '2']), 'ok')],
    [
      'in pieces',
      (exchange: Exchange) => {
        exchange.respond(200, '', new Fields(['content-length', '2']))
        exchange.write(Buffer.from('ok'))
        exchange.end()
      },
    ],
  ])('a response, %s, to a client that has reset the connection is not sent', async (_how, respond) => {
    const relay = await startRelay(1)
    const ends: string[] = []
    relay.answer = (exchange) => {
      // Behind the read that brought the request, and before the one that brings the reset.
      queueMicrotask(() => respond(exchange))
      return idleOwner({ onSent: () => ends.push('sent'), onGone: () => ends.push('gone') })
    }
    const client = await open(relay.port)
    writeAndReset(client, get)
    await until('the end', () => ends.length > 0)
    expect(ends).toEqual(['gone'])
  })

  test('is unreachable', async () => {
    const relay = await startRelay(await deadPort())
    const socket = await open(relay.port)
    const got = collect(socket)
    socket.write(get)
    await until('the answer', () => got.text.includes('x-outcome: UF'))
  })

  test('its response cut at every byte is complete only when it is', async () => {
    const whole = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;a\r\nabc\r\n0\r\nx: 1\r\n\r\n'
    let length = 0
    const backend = await rawBackend((socket) => socket.end(whole.slice(0, length)))
    const relay = await startRelay(backend.port)
    for (; length <= whole.length; length++) {
      relay.ends.length = 0
      const socket = await open(relay.port)
      const got = collect(socket)
      socket.write(get)
      await until(`an end at ${length}`, () => relay.ends.some((end) => end === 'sent' || end === 'gone'))
      const complete = got.text.startsWith('HTTP/1.1 200') && got.text.endsWith('\r\n0\r\nx: 1\r\n\r\n')
      if (length === whole.length) await until('the whole', () => got.text.endsWith('\r\n0\r\nx: 1\r\n\r\n'))
      else expect(complete, `cut at ${length}`).toBe(false)
      socket.destroy()
    }
    expect(relay.pool.idle).toBe(0)
  })

  test('bytes after a complete response: the connection is not used again', async () => {
    const backend = await answering(`${ok}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`)
    const relay = await startRelay(backend.port)
    const socket = await open(relay.port)
    const got = collect(socket)
    for (let i = 1; i <= 3; i++) {
      socket.write(get)
      await until('the answer', () => dateless(got.text) === ok.repeat(i))
    }
    expect(backend.seen).toEqual([get, get, get])
  })

  test.each([
    ['Connection: close', 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok'],
    ['a length that a 204 cannot have', 'HTTP/1.1 204 OK\r\ncontent-length: 2\r\n\r\n'],
    ['a hint of no time at all', 'HTTP/1.1 200 OK\r\nkeep-alive: timeout=0\r\ncontent-length: 2\r\n\r\nok'],
  ])('a connection is not kept after %s', async (_what, answer) => {
    const backend = await answering(answer)
    const relay = await startRelay(backend.port)
    const socket = await open(relay.port)
    const got = collect(socket)
    for (let i = 1; i <= 2; i++) {
      socket.write(get)
      await until('the answer', () => got.text.match(/HTTP\/1.1 20/g)?.length === i && relay.ends.length === i)
    }
    expect(backend.seen).toHaveLength(2)
  })

  test('closes an idle connection: it is gone before the next request', async () => {
    const backend = await answering(ok)
    const relay = await startRelay(backend.port)
    const socket = await open(relay.port)
    const got = collect(socket)
    socket.write(get)
    await until('the answer', () => got.text.endsWith('ok'))
    expect(relay.pool.idle).toBe(1)
    for (const one of backend.sockets) one.end()
    await until('none idle', () => relay.pool.idle === 0)
    socket.write(get)
    await until('the second answer', () => got.text.match(/200/g)?.length === 2)
    expect(relay.ends).toEqual(['sent', 'sent'])
  })

  test('answers before the body has come: the client gets it, the connection is closed', async () => {
    const backend = await rawBackend((socket, seen) => void (seen.endsWith('hel') && socket.write(ok)))
    const relay = await startRelay(backend.port)
    const socket = await open(relay.port)
    const got = collect(socket)
    socket.write('POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhel')
    await until('the answer', () => got.text.endsWith('ok'))
    expect(relay.pool.idle).toBe(0)
    socket.write(`lo${get}`)
    await until('a connection for the next', () => backend.seen[1] === get)
  })
})

describe('faulty clients', () => {
  test.each([
    ['a malformed line', 'GET\r\n\r\n', 400],
    ['LF for line ends', 'GET / HTTP/1.1\nhost: h\n\n', 400],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00', 400],
    ['an endless head', `GET / HTTP/1.1\r\nx: ${'y'.repeat(70_000)}`, 431],
    ['a head of 33 KB', `GET / HTTP/1.1\r\nx: ${'y'.repeat(33_000)}\r\n\r\n`, 431],
    ['a bad chunk', 'POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nx\r\n', 400],
  ])('%s is answered, and the connection ends', async (_what, bytes, status) => {
    const backend = await rawBackend(() => {})
    const relay = await startRelay(backend.port)
    const socket = await open(relay.port)
    const got = collect(socket)
    socket.write(bytes, 'latin1')
    await until('the end', () => got.end)
    expect(got.end).toBe('fin')
    expect(got.text.startsWith(`HTTP/1.1 ${status} `)).toBe(true)
    expect(got.text.match(/HTTP\/1.1/g)).toHaveLength(1)
    expect(relay.refused).toHaveLength(1)
    socket.end()
    await until('nothing left', () => relay.connections.size === 0 && backend.sockets.size === 0)
  })

  test('a malformed request after good ones is answered after them', async () => {
    const backend = await rawBackend((socket) => void setTimeout(() => socket.write(ok), 20))
    const relay = await startRelay(backend.port)
    const socket = await open(relay.port)
    const got = collect(socket)
    socket.write(`${get}GET / HTTP/1.1\r\nX : y\r\n\r\n${get}`)
    await until('the end', () => got.end)
    expect(got.text.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400'])
    expect(backend.seen).toEqual([get])
  })

  test('disconnects in the middle of its body: the backend never takes it for complete', async () => {
    const backend = await rawBackend(() => {})
    const relay = await startRelay(backend.port)
    for (const head of ['content-length: 9\r\n\r\nhello', 'transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n']) {
      const socket = await open(relay.port)
      const before = backend.seen.length
      socket.write(`POST / HTTP/1.1\r\nhost: h\r\n${head}`)
      await until('the part', () => backend.seen[before]?.includes('hello'))
      if (head.startsWith('c')) reset(socket)
      else socket.end()
      await until('nothing left', () => relay.connections.size === 0 && backend.sockets.size === 0)
      expect(backend.seen[before]).not.toContain('0\r\n\r\n')
    }
    expect(relay.ends).toEqual(['gone', 'gone'])
  })

  test('disconnects at every byte of its request: no state remains', async () => {
    const whole = 'POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'
    const backend = await answering(ok)
    const relay = await startRelay(backend.port)
    for (let length = 0; length <= whole.length; length++) {
      const socket = await open(relay.port)
      socket.write(whole.slice(0, length))
      if (length % 2 === 0) socket.destroy()
      else reset(socket)
    }
    await until('no client left', () => relay.connections.size === 0)
    relay.pool.close()
    await until('no backend left', () => backend.sockets.size === 0)
  })

  test('disconnects while it waits: the connection to the backend is closed', async () => {
    const backend = await rawBackend(() => {})
    const relay = await startRelay(backend.port)
    const socket = await open(relay.port)
    socket.write(get)
    await until('the request', () => backend.seen[0] === get)
    socket.end()
    await until('nothing left', () => backend.sockets.size === 0 && relay.connections.size === 0)
    expect(relay.ends).toEqual(['gone'])
  })
})
