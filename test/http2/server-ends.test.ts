import { describe, expect, test } from 'vitest'
import { CONSUMED } from '../../core/http/exchange.ts'
import { Fields } from '../../core/http/fields.ts'
import { until } from '../helpers/until.ts'
import { codes, data, ping, request, rst } from './frames.ts'
import { openRaw } from './raw.ts'
import { serve, whole } from './serve.ts'

describe('a drain', () => {
  test('says so twice, serves what was on its way, and closes after the last response', async () => {
    const served = await serve(() => undefined)
    const client = await openRaw(served.port, { acks: false })
    client.send(request(1, [':path', '/a']))
    await until('the request', () => served.exchanges.length === 1)
    for (const session of served.sessions) session.drain()
    const first = await client.until('GOAWAY')
    expect(first).toMatchObject({ code: codes.NO_ERROR, lastStream: 0x7fffffff })
    client.send(request(3, [':path', '/b']))
    const probe = await client.until('PING')
    client.send(ping(probe.payload, true))
    const second = await client.until('GOAWAY', first.index + 1)
    expect(second).toMatchObject({ code: codes.NO_ERROR, lastStream: 3 })
    client.send(request(5, [':path', '/c']))
    for (const exchange of served.exchanges) exchange.respondWhole(200, '', new Fields(), 'ok')
    expect(String((await client.answer(1)).body)).toBe('ok')
    expect(String((await client.answer(3)).body)).toBe('ok')
    expect(await client.ended()).toBe('fin')
    client.socket.end()
    await until('the end', () => served.said.at(-1) === 'close')
    expect(served.said.filter((one) => one.startsWith('begin'))).toEqual(['begin /a', 'begin /b'])
  })

  test('without requests closes after the answer to its PING', async () => {
    const served = await serve(whole('ok'))
    const client = await openRaw(served.port)
    await client.settled()
    for (const session of served.sessions) session.drain()
    expect(await client.ended()).toBe('fin')
    expect(client.frames.filter(({ name }) => name === 'GOAWAY').map(({ lastStream }) => lastStream)).toEqual([
      0x7fffffff, 0,
    ])
  })

  test('begins with the next response after makeLast', async () => {
    const served = await serve((exchange) => {
      if (exchange.rawTarget === '/last') exchange.makeLast()
      exchange.respondWhole(200, '', new Fields(), 'ok')
      return undefined
    })
    const client = await openRaw(served.port)
    client.send(request(1))
    await client.answer(1)
    await client.settled()
    expect(client.frames.some(({ name }) => name === 'GOAWAY')).toBe(false)
    client.send(request(3, [':path', '/last']))
    expect(String((await client.answer(3)).body)).toBe('ok')
    expect(await client.ended()).toBe('fin')
  })
})

describe('time limits', () => {
  test('a connection without requests ends with a GOAWAY', async () => {
    const served = await serve(whole('ok'))
    served.timeouts.keepAlive = 100
    const client = await openRaw(served.port)
    client.send(request(1))
    await client.answer(1)
    expect(await client.until('GOAWAY')).toMatchObject({ code: codes.NO_ERROR, lastStream: 1 })
    expect(await client.ended()).toBe('fin')
  })

  test('so does one without a first head', async () => {
    const served = await serve(whole('ok'))
    served.timeouts.head = 100
    const silent = await openRaw(served.port, { settings: false })
    const prefaced = await openRaw(served.port)
    prefaced.send(request(1, [], { end: true, complete: false }))
    expect(await silent.ended()).toBe('fin')
    expect(await prefaced.ended()).toBe('fin')
  })

  test('one with requests does not, unless a head does not end', async () => {
    const served = await serve(() => undefined)
    served.timeouts.head = 100
    served.timeouts.keepAlive = 100
    const client = await openRaw(served.port)
    client.send(request(1))
    await until('the request', () => served.exchanges.length === 1)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(served.said).toEqual(['begin /'])
    client.send(request(3, [], { end: true, complete: false }))
    expect(await client.until('GOAWAY')).toMatchObject({ code: codes.PROTOCOL_ERROR })
    await until('the end', () => served.said.includes('over /'))
    expect(served.said.slice(0, 3)).toEqual(['begin /', 'gone /', 'over /'])
  })
})

describe('a connection that ends', () => {
  test.each(['fin', 'reset'])('by a %s of the client ends all its requests', async (how) => {
    const served = await serve((exchange) => {
      if (exchange.rawTarget === '/b') exchange.respond(200, '', new Fields())
      return undefined
    })
    const client = await openRaw(served.port)
    client.send(request(1, [':path', '/a']), request(3, [':path', '/b']))
    await until('the requests', () => served.exchanges.length === 2)
    if (how === 'fin') client.socket.end()
    else client.socket.resetAndDestroy()
    await until('the end', () => served.said.at(-1) === 'close')
    expect(served.said.slice(2)).toEqual(['gone /a', 'over /a', 'gone /b', 'over /b', 'close'])
  })

  test('by a violation is told once, with its requests', async () => {
    const served = await serve(() => undefined)
    const client = await openRaw(served.port)
    client.send(request(1), data(0, 'x'))
    expect(await client.until('GOAWAY')).toMatchObject({ code: codes.PROTOCOL_ERROR })
    client.socket.end()
    await until('the end', () => served.said.at(-1) === 'close')
    expect(served.said.slice(0, 3)).toEqual(['begin /', 'gone /', 'over /'])
    expect(served.said.filter((one) => one.startsWith('malformed')).length).toBe(1)
  })

  test('by abort, too', async () => {
    const served = await serve(() => undefined)
    const client = await openRaw(served.port)
    client.send(request(1))
    await until('the request', () => served.exchanges.length === 1)
    for (const session of served.sessions) session.abort()
    expect(await client.ended()).toBe('reset')
    await until('the end', () => served.said.at(-1) === 'close')
    expect(served.said).toEqual(['begin /', 'gone /', 'over /', 'close'])
  })
})

describe('an extended CONNECT', () => {
  const upgrade = [':method', 'CONNECT', ':protocol', 'websocket', ':path', '/chat']

  test('is a GET that asks for an upgrade; agreed to, its stream carries bytes both ways', async () => {
    const served = await serve((exchange) => {
      const stream = exchange.switchProtocols('websocket', new Fields(['x-a', 'b']))!
      stream.start({
        onBytes(bytes) {
          stream.writeText(`<${bytes.toString('latin1')}>`)
          return true
        },
        onEnd: () => stream.end(),
        onDrain() {},
        onError() {},
        onClose: () => exchange.end(),
      })
      return { onBody: () => CONSUMED }
    })
    const client = await openRaw(served.port)
    client.send(request(1, upgrade, {}), data(1, 'ahead'))
    await client.until((one) => one.name === 'DATA')
    client.send(data(1, 'more', { end: true }))
    const { statuses, fields, body } = await client.answer(1)
    expect([statuses, String(body)]).toEqual([['200'], '<ahead><more>'])
    expect(fields).toContain('x-a')
    await until('the end', () => served.said.length === 3)
    expect(served.said).toEqual(['begin /chat', 'sent /chat', 'over /chat'])
    expect(served.exchanges[0]).toMatchObject({ method: 'GET', upgrade: 'websocket', hasBody: false })
  })

  test('that is refused is an ordinary answer; a 200 would be the tunnel, so it becomes 502', async () => {
    const served = await serve(whole('no'))
    const client = await openRaw(served.port)
    client.send(request(1, upgrade, {}))
    const { statuses, body } = await client.answer(1)
    expect([statuses, String(body)]).toEqual([['502'], 'no'])
  })

  test('that the client resets ends the tunnel', async () => {
    let closed = 0
    const served = await serve((exchange) => {
      const stream = exchange.switchProtocols('websocket', new Fields())!
      const over = (): void => {
        closed++
        exchange.end()
      }
      stream.start({ onBytes: () => true, onEnd() {}, onDrain() {}, onError() {}, onClose: over })
      return undefined
    })
    const client = await openRaw(served.port)
    client.send(request(1, upgrade, {}))
    await client.until('HEADERS')
    client.send(rst(1))
    await until('the end', () => served.said.includes('over /chat'))
    expect([closed, served.said]).toEqual([1, ['begin /chat', 'sent /chat', 'over /chat']])
  })
})
