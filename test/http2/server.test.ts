import { connect } from 'node:http2'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Exchange } from '../../core/http/exchange.ts'
import { Fields } from '../../core/http/fields.ts'
import { until } from '../helpers/until.ts'
import { codes, data, headers, request, rst } from './frames.ts'
import { fieldOf, openRaw } from './raw.ts'
import { echo, serve, whole } from './serve.ts'

const post = [':method', 'POST']

describe('a response', () => {
  test('is a head and a body; date is added, what belongs to a connection of HTTP/1.1 is left out', async () => {
    const served = await serve((exchange) => {
      const fields = ['content-length', '2', 'connection', 'close', 'keep-alive', 'x', 'x-a', ' b ']
      exchange.respondWhole(200, 'Sure', new Fields(fields), 'ok')
      return undefined
    })
    const client = await openRaw(served.port)
    client.send(request(1))
    const { fields, body, reset } = await client.answer(1)
    expect(fields.filter((_, at, all) => all[at - (at % 2)] !== 'date')).toEqual([
      ':status',
      '200',
      'x-a',
      'b',
      'content-length',
      '2',
    ])
    expect(fieldOf(fields, 'date')).toMatch(/GMT$/)
    expect([String(body), reset]).toEqual(['ok', undefined])
    expect(client.frames.filter(({ stream }) => stream === 1).map(({ name, isEnd }) => [name, isEnd])).toEqual([
      ['HEADERS', false],
      ['DATA', true],
    ])
    await until('its end', () => served.said.length === 3)
    expect(served.said).toEqual(['begin /', 'sent /', 'over /'])
  })

  test.each<[string, number, readonly string[], string | undefined]>([
    ['HEAD', 200, [':method', 'HEAD'], '5'],
    ['204', 204, [], undefined],
    ['304', 304, [], '5'],
  ])('to %s ends with its head', async (_what, status, fields, length) => {
    const served = await serve((exchange) => {
      exchange.respond(status, '', new Fields(['content-length', '5']))
      exchange.write(Buffer.from('12345'))
      exchange.end(new Fields(['x-t', '1']))
      return undefined
    })
    const client = await openRaw(served.port)
    client.send(request(1, fields))
    const answer = await client.answer(1)
    expect(client.frames.filter(({ stream }) => stream === 1)).toMatchObject([{ name: 'HEADERS', isEnd: true }])
    expect(fieldOf(answer.fields, 'content-length')).toBe(length)
  })

  test('of another length than announced is broken off', async () => {
    const served = await serve((exchange) => {
      exchange.respond(200, '', new Fields(['content-length', '5']))
      exchange.write(Buffer.from(exchange.rawTarget === '/more' ? '123456' : '1234'))
      exchange.end()
      return undefined
    })
    const client = await openRaw(served.port)
    client.send(request(1, [':path', '/more']), request(3, [':path', '/less']))
    expect((await client.answer(1)).reset).toBe(codes.INTERNAL_ERROR)
    expect((await client.answer(3)).reset).toBe(codes.INTERNAL_ERROR)
    expect(served.said).toEqual(['begin /more', 'gone /more', 'over /more', 'begin /less', 'gone /less', 'over /less'])
  })

  test('interim ones come before it, none after it', async () => {
    const served = await serve((exchange) => {
      exchange.inform(103, new Fields(['link', '</a>']))
      exchange.respond(200, '', new Fields())
      exchange.inform(102, new Fields())
      exchange.end()
      return undefined
    })
    const client = await openRaw(served.port)
    client.send(request(1))
    expect((await client.answer(1)).statuses).toEqual(['103', '200'])
  })

  test('ends the stream with NO_ERROR when the upload is unread', async () => {
    const served = await serve(whole('done'))
    const client = await openRaw(served.port)
    client.send(request(1, post, {}), data(1, 'a'))
    const end = await client.until((one) => one.name === 'RST_STREAM')
    expect(end).toMatchObject({ stream: 1, code: codes.NO_ERROR })
    expect(client.frames[end.index - 1]).toMatchObject({ name: 'DATA', isEnd: true })
    client.send(data(1, 'late'), request(3))
    expect(String((await client.answer(3)).body)).toBe('done')
  })

  test('that is aborted ends with a reset, and the connection goes on', async () => {
    const served = await serve((exchange) => {
      exchange.respond(200, '', new Fields())
      exchange.write(Buffer.from('part'))
      if (exchange.rawTarget === '/a') setImmediate(() => exchange.abort(true))
      else exchange.end()
      return undefined
    })
    const client = await openRaw(served.port)
    client.send(request(1, [':path', '/a']))
    const { body, reset } = await client.answer(1)
    expect([String(body), reset]).toEqual(['part', codes.INTERNAL_ERROR])
    client.send(request(3))
    expect(String((await client.answer(3)).body)).toBe('part')
    expect(served.said.slice(0, 3)).toEqual(['begin /a', 'gone /a', 'over /a'])
  })
})

describe('a request', () => {
  test('with a body and trailers arrives as they are, and so do those of the response', async () => {
    const served = await serve(echo)
    const client = await openRaw(served.port)
    client.send(request(1, [...post, 'te', 'trailers'], {}), data(1, 'abc', { padding: 9 }), data(1, 'def'))
    client.send(headers(1, ['x-t', '1', 'x-t', '2'], { end: true }))
    const { body, trailers } = await client.answer(1)
    expect([String(body), trailers]).toEqual(['abcdef', ['x-t', '1', 'x-t', '2']])
    expect(served.exchanges[0]).toMatchObject({
      version: '2',
      method: 'POST',
      hasBody: true,
      isFirst: true,
      bytesIn: 6,
    })
    await until('its end', () => served.said.includes('over /'))
  })

  test('waits for a 100 when it says so; another expectation is refused', async () => {
    const served = await serve((exchange) => ({
      ...echo(exchange),
      onBodyEnd: () => exchange.end(),
    }))
    const late = await serve((exchange) => {
      setImmediate(() => exchange.receive())
      return { onBodyEnd: () => exchange.respondWhole(200, '', new Fields(['content-length', '2']), 'ok') }
    })
    const client = await openRaw(late.port)
    client.send(request(1, [...post, 'expect', '100-Continue'], {}))
    await client.until('HEADERS')
    expect(late.exchanges[0]!.awaitsContinue).toBe(false)
    client.send(data(1, 'x', { end: true }))
    expect((await client.answer(1)).statuses).toEqual(['100', '200'])
    const other = await openRaw(served.port)
    other.send(request(1, [...post, 'expect', 'x'], {}), request(3, [':method', 'HEAD', 'expect', 'x']), request(5))
    expect(await other.answer(1)).toMatchObject({ statuses: ['417'], reset: undefined })
    const head = await other.answer(3)
    expect([head.statuses, head.body.length]).toEqual([['417'], 0])
    expect((await other.answer(5)).statuses).toEqual(['200'])
  })

  test('that is malformed is a stream error, and is told', async () => {
    const served = await serve(whole('ok'))
    const client = await openRaw(served.port)
    client.send(request(1, ['connection', 'close']), request(3))
    expect((await client.answer(1)).reset).toBe(codes.PROTOCOL_ERROR)
    expect(String((await client.answer(3)).body)).toBe('ok')
    expect(served.said[0]).toBe('malformed 400 the header "connection" belongs to a connection of HTTP/1.1')
  })

  test('whose head is too large is answered with 431', async () => {
    const served = await serve(whole('ok'))
    const client = await openRaw(served.port)
    const fields = Array.from({ length: 1000 }, () => ['x', 'y']).flat()
    client.send(request(1, fields), request(3))
    expect(await client.answer(1)).toMatchObject({ statuses: ['431'], reset: undefined })
    expect(String((await client.answer(3)).body)).toBe('ok')
  })

  test.each<[string, Buffer[]]>([
    ['less', [data(1, 'abc', { end: true })]],
    ['more', [data(1, 'abcde')]],
    ['less and trailers', [data(1, 'abc'), headers(1, ['x', 'y'], { end: true })]],
  ])('with %s of a body than announced is a stream error', async (_what, frames) => {
    const served = await serve((exchange) => {
      setImmediate(() => exchange.receive())
      return undefined
    })
    const client = await openRaw(served.port)
    client.send(request(1, [...post, 'content-length', '4'], {}), ...frames)
    expect((await client.answer(1)).reset).toBe(codes.PROTOCOL_ERROR)
    await until('the report', () => served.said.length === 4)
    expect(served.said.slice(0, 3)).toEqual(['begin /', 'gone /', 'over /'])
    expect(served.said[3]).toMatch(/^malformed 400 the body does not have/)
  })

  test('that the client resets is gone, also in the turn in which it came; the others go on', async () => {
    const served = await serve(() => undefined)
    const client = await openRaw(served.port)
    client.send(request(1, [':path', '/a']), rst(1), request(3, [':path', '/b']))
    await client.settled()
    expect(served.said).toEqual(['begin /a', 'gone /a', 'over /a', 'begin /b'])
    const [a, b] = served.exchanges
    a!.respond(200, '', new Fields())
    a!.end()
    expect(a!.write(Buffer.from('x'))).toBe(true)
    b!.respondWhole(200, '', new Fields(), 'ok')
    expect(String((await client.answer(3)).body)).toBe('ok')
    expect(client.frames.some(({ stream }) => stream === 1)).toBe(false)
  })

  test('keeps its body back until it is asked for, and during a pause', async () => {
    const got: string[] = []
    const served = await serve((exchange) => ({
      onBody: (chunk) => {
        got.push(Buffer.from(chunk).toString())
        exchange.pause()
      },
      onBodyEnd: () => void got.push('end'),
    }))
    const client = await openRaw(served.port)
    client.send(request(1, post, {}), data(1, 'a'))
    await client.settled()
    expect(got).toEqual([])
    const exchange = served.exchanges[0] as Exchange
    exchange.receive()
    exchange.receive()
    expect(got).toEqual(['a'])
    client.send(data(1, 'b', { end: true }))
    await client.settled()
    expect(got).toEqual(['a'])
    exchange.resume()
    expect(got).toEqual(['a', 'b'])
    exchange.resume()
    expect(got).toEqual(['a', 'b', 'end'])
  })

  test('whose owner throws is told, and the connection goes on', async () => {
    const served = await serve((exchange) => {
      if (exchange.rawTarget === '/a') throw new Error('first')
      setImmediate(() => exchange.receive())
      return {
        onBodyEnd: () => {
          throw new Error('second')
        },
      }
    })
    const client = await openRaw(served.port)
    client.send(request(1, [':path', '/a']), request(3))
    expect((await client.answer(1)).reset).toBe(codes.INTERNAL_ERROR)
    expect((await client.answer(3)).reset).toBe(codes.INTERNAL_ERROR)
    expect(served.said.filter((one) => one.startsWith('crash'))).toEqual(['crash first', 'crash second'])
  })
})

test('a hundred requests of a client of node at a time, with bodies both ways', async () => {
  const served = await serve(echo)
  const session = connect(`http://127.0.0.1:${served.port}`)
  onTestFinished(() => session.destroy())
  const answers = Array.from({ length: 100 }, (_, index) => {
    const body = Buffer.alloc(index * 3001, String.fromCharCode(65 + (index % 26)))
    const stream = session.request({ ':method': 'POST', ':path': `/${index}` })
    stream.end(body)
    return new Promise<boolean>((resolve, reject) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => resolve(Buffer.concat(chunks).equals(body)))
      stream.on('error', reject)
    })
  })
  expect((await Promise.all(answers)).every(Boolean)).toBe(true)
  await until('their ends', () => served.said.filter((one) => one.startsWith('sent')).length === 100)
})
