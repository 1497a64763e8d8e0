import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fields, SharedFields } from '../../core/http/fields.ts'
import { Malformed } from '../../core/http/malformed.ts'
import { encodeFields } from '../../core/http1/encode-fields.ts'
import {
  encodeInterimHead,
  encodeRequestHead,
  encodeResponseHead,
  encodeSwitchHead,
} from '../../core/http1/encode-head.ts'
import { CHUNKED, NO_BODY } from '../../core/http1/framing.ts'
import { MessageWriter } from '../../core/http1/message-writer.ts'
import { parseRequestHead, parseResponseHead } from '../../core/http1/parse-head.ts'
import type { ByteStream } from '../../core/net/byte-stream.ts'

const anything = fc.string({ unit: fc.integer({ min: 0, max: 0x2ff }).map((code) => String.fromCharCode(code)) })
const fields = fc
  .array(fc.tuple(fc.oneof(anything, fc.stringMatching(/^[a-z-]{1,9}$/)), anything))
  .map((all) => all.flat())

describe('fields', () => {
  test('whatever is in them, they come out as lines, each with one name and one value', () => {
    fc.assert(
      fc.property(fields, (list) => {
        const bytes = Buffer.from(encodeFields(new Fields(list)), 'latin1').toString('latin1')
        const lines = bytes.split('\r\n')
        expect(lines.pop()).toBe('')
        for (const line of lines) expect(line).toMatch(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t\x20-\x7e\x80-\xff]*$/)
        expect(lines.length).toBeLessThanOrEqual(list.length / 2)
      }),
    )
  })

  test('what frames a message is never copied', () => {
    const list = ['connection', 'keep-alive', 'content-length', 'transfer-encoding', 'upgrade', 'proxy-connection']
    expect(encodeFields(new Fields(['a', '1', ...list.flatMap((name) => [name, 'x']), 'b', '2']))).toBe(
      'a: 1\r\nb: 2\r\n',
    )
  })
})

describe('the spelling of names', () => {
  const parsed = (...lines: string[]): Fields => {
    const bytes = Buffer.from(`GET / HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}`)
    const head = parseRequestHead(bytes, 0, bytes.length)
    if (head instanceof Malformed) throw new Error(head.problem)
    return head.fields
  }

  test('stays as it came, whatever is added, changed and removed around it', () => {
    const fields = parsed(
      'Host: a',
      'SOAPAction: x',
      'X-REQUEST-ID: 1',
      'X-Mixed-case: 2',
      'x-lower: 3',
      'SoapAction: y',
    )
    fields.delete('x-request-id')
    fields.put('x-mixed-case', 'changed')
    fields.list.push('x-request-id', '4', 'via', '1.1 gateway')
    expect(encodeFields(fields)).toBe(
      'Host: a\r\nSOAPAction: x\r\nX-Mixed-case: changed\r\nx-lower: 3\r\nSoapAction: y\r\nx-request-id: 4\r\nvia: 1.1 gateway\r\n',
    )
  })

  test('never changes which fields there are', () => {
    const name = fc.constantFrom('Host', 'SOAPAction', 'X-A', 'x-a', 'X-a', 'X-b')
    const change = fc.tuple(fc.constantFrom('put', 'delete', 'push'), name)
    fc.assert(
      fc.property(fc.array(name), fc.array(change), (names, changes) => {
        const fields = parsed(...names.map((one, i) => `${one}: ${i}`))
        for (const [kind, spelt] of changes) {
          const lower = spelt.toLowerCase()
          if (kind === 'put') fields.put(lower, 'put')
          else if (kind === 'delete') fields.delete(lower)
          else fields.list.push(lower, 'pushed')
        }
        expect(encodeFields(fields).toLowerCase()).toBe(encodeFields(new Fields([...fields.list], true)))
      }),
    )
  })

  test('is that of the message for the fields that frame it', () => {
    expect(encodeRequestHead('POST', '/', parsed('Content-Length: 5'), 5, undefined)).toContain(
      '\r\nContent-Length: 5\r\n',
    )
    const chunked = encodeRequestHead('POST', '/', parsed('Transfer-encoding: chunked'), CHUNKED, undefined)
    expect(chunked).toContain('\r\nTransfer-encoding: chunked\r\n')
  })
})

test('fields that many messages share come after the others', () => {
  const fields = new Fields(['a', '1'])
  fields.shared = new SharedFields(['x-b', '2', 'via', '1.1 gateway', 'connection', 'close'])
  const expected = 'a: 1\r\nx-b: 2\r\nvia: 1.1 gateway\r\n'
  for (const _ of [1, 2]) expect(encodeFields(fields)).toBe(expected)
})

describe('heads', () => {
  test('a request that is parsed, encoded and parsed again is the same', () => {
    const name = fc.stringMatching(/^x[!#$%&'*+\-.^_`|~0-9a-z]{0,9}$/)
    const value = fc
      .stringMatching(/^[\t\x20-\x7e\x80-\xff]{0,20}$/)
      .map((text) => text.replace(/^[\t ]+|[\t ]+$/g, ''))
    const list = fc.array(fc.tuple(name, value)).map((all) => ['host', 'a', ...all.flat()])
    fc.assert(
      fc.property(list, fc.constantFrom(0, 5, CHUNKED), (all, framing) => {
        const head = encodeRequestHead('POST', '/a?b', new Fields(all), framing, undefined)
        const bytes = Buffer.from(head, 'latin1')
        const parsed = parseRequestHead(bytes, 0, bytes.length - 2)
        if (parsed instanceof Malformed) throw new Error(parsed.problem)
        const { method, target, version, fields: read } = parsed
        expect({ method, target, version }).toEqual({ method: 'POST', target: '/a?b', version: '1.1' })
        expect(parsed.framing).toBe(framing)
        read.delete('content-length')
        read.delete('transfer-encoding')
        expect(read.list).toEqual(all)
      }),
    )
  })

  test('a response that is encoded is parsed as what it was', () => {
    const head = encodeResponseHead(200, 'Fine \xe4', new Fields(['date', 'x', 'set-cookie', 'a']), 3, 3, 'close')
    const bytes = Buffer.from(head, 'latin1')
    const parsed = parseResponseHead(bytes, 0, bytes.length - 2, 'GET')
    const list = ['date', 'x', 'set-cookie', 'a', 'content-length', '3', 'connection', 'close']
    expect(parsed).toEqual({ version: '1.1', status: 200, reason: 'Fine \xe4', fields: new Fields(list), framing: 3 })
  })

  test('Date is added when it is missing, and the usual reason', () => {
    expect(encodeResponseHead(404, '', new Fields(), NO_BODY, undefined, undefined)).toMatch(
      /^HTTP\/1.1 404 Not Found\r\ndate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n\r\n$/,
    )
  })

  test('a reason, a protocol and an interim head cannot break a line', () => {
    const none = new Fields(['date', 'x'])
    expect(encodeResponseHead(200, 'a\r\nx: y', none, NO_BODY, undefined, undefined)).toBe(
      'HTTP/1.1 200 OK\r\ndate: x\r\n\r\n',
    )
    expect(encodeSwitchHead('a\r\nb', new Fields())).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: a  b\r\n\r\n',
    )
    expect(encodeInterimHead(103, new Fields(['link', 'a\nb']))).toBe('HTTP/1.1 103 Early Hints\r\nlink: a b\r\n\r\n')
    expect(encodeRequestHead('GET', '/', new Fields(), 0, 'a\nb')).toContain('\r\nupgrade: a b\r\n\r\n')
  })

  test('Content-Length: 0 stays when it was there, and is not invented', () => {
    expect(encodeRequestHead('POST', '/', new Fields(['content-length', '0']), 0, undefined)).toContain(
      'content-length: 0',
    )
    expect(encodeRequestHead('POST', '/', new Fields(), 0, undefined)).toBe('POST / HTTP/1.1\r\n\r\n')
  })
})

test('trailers that would change the message are not sent on', () => {
  const list = ['x-sum', '1', 'content-length', '5', 'host', 'b', 'set-cookie', 'c', 'x-forwarded-for', '1.1.1.1']
  for (const [trailers, end] of [
    [new Fields(list), '0\r\nx-sum: 1\r\n\r\n'],
    [undefined, '0\r\n\r\n'],
  ] as const) {
    let written = ''
    const writeText = (text: string): void => {
      written += text
    }
    const writer = new MessageWriter({ writeText } as unknown as ByteStream)
    writer.begin('', CHUNKED)
    writer.end(trailers)
    expect(written).toBe(end)
  }
})
