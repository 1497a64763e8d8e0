import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Exchange } from '../../core/http/exchange.ts'
import { Fields } from '../../core/http/fields.ts'
import { open } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'
import { idleOwner } from './idle-owner.ts'
import { collect, dateless } from './raw-backend.ts'
import { startRelay } from './relay.ts'

const get = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'
const empty = (): Fields => new Fields(['content-length', '0'])

describe('an owner', () => {
  test('that acts after the end of its exchange affects no other exchange', async () => {
    const relay = await startRelay(1)
    const exchanges: Exchange[] = []
    relay.answer = (exchange) => {
      exchanges.push(exchange)
      return idleOwner()
    }
    const client = await open(relay.port)
    const got = collect(client)
    client.write(get)
    await until('the first', () => exchanges[0])
    const first = exchanges[0]!
    first.respond(200, '', empty())
    first.end()
    client.write(get)
    await until('the second', () => exchanges[1])
    first.respond(500, '', empty())
    first.inform(103, new Fields())
    first.write(Buffer.from('evil'))
    first.end()
    first.pause()
    first.receive()
    first.abort()
    exchanges[1]!.respond(201, '', empty())
    exchanges[1]!.end()
    await until('both answers', () => got.text.match(/HTTP/g)?.length === 2)
    expect(got.text.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 201'])
    expect(got.text).not.toContain('evil')
  })

  test('gets one last call, and none after it', async () => {
    const relay = await startRelay(1)
    const calls: string[] = []
    relay.answer = (exchange) => {
      queueMicrotask(() => exchange.receive())
      return idleOwner({
        onBody: () => void calls.push('body'),
        onBodyEnd: () => void calls.push('end'),
        onSent: () => void calls.push('sent'),
        onGone: () => void calls.push('gone'),
      })
    }
    const client = await open(relay.port)
    client.write('POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nabc')
    await until('the body', () => calls.length === 1)
    client.resetAndDestroy()
    await until('the end', () => relay.connections.size === 0)
    expect(calls).toEqual(['body', 'gone'])
  })

  test('that throws ends only its own exchange', async () => {
    const relay = await startRelay(1)
    const boom = (): never => {
      throw new Error('boom')
    }
    let asked = 0
    relay.answer = (exchange) => {
      if (++asked === 1) {
        queueMicrotask(() => exchange.receive())
        return idleOwner({ onBody: boom })
      }
      if (asked === 2) boom()
      queueMicrotask(() => {
        exchange.respond(200, '', empty())
        exchange.end()
      })
      return idleOwner({ onSent: boom })
    }
    for (const bytes of ['POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc', get]) {
      const client = await open(relay.port)
      const got = collect(client)
      client.write(bytes)
      await until('the end', () => got.end)
      expect(got.text).toBe('')
    }
    const client = await open(relay.port)
    const got = collect(client)
    client.write(get)
    await until('an answer', () => got.text.includes('200'))
    expect(relay.ends).toEqual(['crash boom', 'crash boom', 'crash boom'])
  })

  test.each([
    ['more than it announced', 'hello world'],
    ['less than it announced', 'he'],
  ])('that writes %s breaks the connection, not the next exchange', async (_what, body) => {
    const relay = await startRelay(1)
    relay.answer = (exchange) => {
      queueMicrotask(() => {
        exchange.respond(200, '', new Fields(['content-length', '5']))
        exchange.write(Buffer.from(body))
        exchange.end()
      })
      return idleOwner()
    }
    const socket = connect({ host: '127.0.0.1', port: relay.port })
    onTestFinished(() => void socket.destroy())
    const got = collect(socket)
    socket.write(get + get)
    await until('the reset', () => got.end)
    expect(got.end).toBe('reset')
    expect(got.text).not.toContain('hello')
  })

  test('that writes in pieces, late, and waits for drain gets all of it out', async () => {
    const relay = await startRelay(1)
    const piece = Buffer.from(readFileSync(new URL(import.meta.url)))
    relay.answer = (exchange) => {
      let left = 3000
      const more = (): void => {
        while (left > 0) {
          left--
          if (!exchange.write(piece)) return
        }
        exchange.end()
      }
      setImmediate(() => {
        exchange.respond(200, '', new Fields())
        setImmediate(more)
      })
      return idleOwner({ onWritable: more })
    }
    const client = await open(relay.port)
    const got = collect(client)
    client.write(get)
    await until('the end of it', () => got.text.endsWith('0\r\n\r\n'))
    const chunk = `${piece.length.toString(16)}\r\n${piece.toString('latin1')}\r\n`
    const expected = `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunk.repeat(3000)}0\r\n\r\n`
    expect(dateless(got.text) === expected).toBe(true)
  })
})
