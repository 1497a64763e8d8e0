import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ClientHelloReader } from '../../core/tls/client-hello.ts'
import { helloOf } from './client.ts'

const whole = await helloOf({ servername: 'Shop.Example.COM', ALPNProtocols: ['h2', 'http/1.1'] })
const expected = { serverName: 'shop.example.com', alpn: ['h2', 'http/1.1'] }

/** The same message in records of another size. */
function resplit(hello: Buffer, size: number): Buffer {
  const content = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < content.length; at += size) {
    const part = content.subarray(at, at + size)
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part)
  }
  return Buffer.concat(records)
}

/** A ClientHello with these extensions. */
function made(...extensions: [type: number, content: Buffer][]): Buffer {
  const list = Buffer.concat(
    extensions.map(([type, content]) => {
      return Buffer.concat([Buffer.from([type >> 8, type & 0xff, content.length >> 8, content.length & 0xff]), content])
    }),
  )
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32),
    Buffer.from([0, 0, 2, 0x13, 1, 1, 0, list.length >> 8, list.length & 0xff]),
    list,
  ])
  const message = Buffer.concat([Buffer.from([1, 0, body.length >> 8, body.length & 0xff]), body])
  return Buffer.concat([Buffer.from([22, 3, 1, message.length >> 8, message.length & 0xff]), message])
}

function serverName(name: string): Buffer {
  const text = Buffer.from(name, 'latin1')
  const { length } = text
  const entry = Buffer.from([0, (length + 3) >> 8, (length + 3) & 0xff, 0, length >> 8, length & 0xff])
  return Buffer.concat([entry.subarray(1, 3), entry.subarray(3), text])
}

const read = (...chunks: Buffer[]): unknown => {
  const reader = new ClientHelloReader()
  let result: unknown
  for (const chunk of chunks) result = reader.push(chunk)
  return result
}

describe('a ClientHello', () => {
  test('is read whole, and with bytes behind it', () => {
    expect(read(whole)).toEqual(expected)
    expect(read(Buffer.concat([whole, randomBytes(100)]))).toEqual(expected)
  })

  test('is read wherever it is split, and byte by byte, and keeps its bytes', () => {
    for (let at = 1; at < whole.length; at++) {
      expect(read(whole.subarray(0, at))).toBeUndefined()
      expect(read(whole.subarray(0, at), whole.subarray(at))).toEqual(expected)
    }
    const reader = new ClientHelloReader()
    const results = [...whole].map((byte) => reader.push(Buffer.from([byte])))
    expect(results.slice(0, -1).every((result) => result === undefined)).toBe(true)
    expect(results.at(-1)).toEqual(expected)
    expect(reader.bytes.equals(whole)).toBe(true)
  })

  test.each([16, 17, 100, 1000])('is read from records of %i bytes', (size) => {
    const bytes = resplit(whole, size)
    expect(read(bytes)).toEqual(expected)
    expect(read(...[...bytes].map((byte) => Buffer.from([byte])))).toEqual(expected)
  })

  test('without a name or protocols has none', async () => {
    expect(read(await helloOf({}))).toEqual({ serverName: undefined, alpn: [] })
    expect(read(made())).toEqual({ serverName: undefined, alpn: [] })
  })

  test('the dot at the end of a name does not count', () => {
    expect(read(made([0, serverName('a.example.')]))).toEqual({ serverName: 'a.example', alpn: [] })
  })

  test('is read with what browsers mix in (GREASE, RFC 8701), and by its outer name with ECH', () => {
    const grease: [number, Buffer] = [0x0a0a, Buffer.from([0])]
    const alpn = Buffer.from([0, 8, 2, 0x1a, 0x1a, 2, 104, 50, 1, 120])
    const ech: [number, Buffer] = [0xfe0d, randomBytes(200)]
    const bytes = made(grease, ech, [0, serverName('Outer.example')], [16, alpn], [0xfafa, Buffer.from([])])
    expect(read(bytes)).toEqual({ serverName: 'outer.example', alpn: ['\x1a\x1a', 'h2', 'x'] })
  })

  test('an address as a name is a name like any', () => {
    expect(read(made([0, serverName('192.0.2.1')]))).toEqual({ serverName: '192.0.2.1', alpn: [] })
  })

  test('that two readers could understand differently is refused', () => {
    const [a, b] = [serverName('a.example'), serverName('b.example')]
    expect(read(made([0, a], [16, Buffer.from([0, 2, 1, 120])], [0, b]))).toMatchObject({ alert: 'illegal_parameter' })
    expect(read(made([5, a], [5, a]))).toMatchObject({ alert: 'illegal_parameter' })
    const names = Buffer.concat([a.subarray(2), b.subarray(2)])
    const both = Buffer.concat([Buffer.from([0, names.length]), names])
    expect(read(made([0, both]))).toMatchObject({ alert: 'decode_error' })
    expect(read(made([0, Buffer.concat([a, Buffer.from([0])])]))).toMatchObject({ alert: 'decode_error' })
  })

  test.each(['a\0b', 'a b', 'a\nb', 'ä.example', '', 'x'.repeat(256)])('is refused with the name %j', (name) => {
    expect(read(made([0, serverName(name)]))).toMatchObject({ alert: 'illegal_parameter' })
  })
})

describe('refused', () => {
  test.each([
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['a byte that is none', Buffer.from([0])],
    ['the first byte alone', Buffer.from([22, 2])],
    ['SSL 2', Buffer.from([0x80, 0x2e, 1, 3, 1])],
  ])('%s is not TLS', (_name, bytes) => {
    expect(read(bytes)).toMatchObject({ alert: undefined })
  })

  test.each<[string, string, Buffer]>([
    ['another handshake message', 'unexpected_message', Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])],
    [
      'an alert behind a part',
      'unexpected_message',
      Buffer.concat([resplit(whole, 100).subarray(0, 105), Buffer.from([21, 3, 3, 0, 2, 2, 0])]),
    ],
    ['an empty record', 'decode_error', Buffer.from([22, 3, 1, 0, 0])],
    ['a message of 16 MB', 'record_overflow', Buffer.from([22, 3, 1, 0, 4, 1, 255, 255, 255])],
    ['a record of 64 KB', 'record_overflow', Buffer.from([22, 3, 1, 255, 255])],
    [
      'many records',
      'unexpected_message',
      resplit(Buffer.concat([whole.subarray(0, 5), Buffer.from([1, 0, 2, 0]), Buffer.alloc(400)]), 1),
    ],
  ])('%s', (_name, alert, bytes) => {
    expect(read(bytes)).toMatchObject({ alert })
  })

  test('extensions that say more than there is', () => {
    expect(read(made([0, Buffer.from([0, 200, 0])]))).toMatchObject({ alert: 'decode_error' })
    expect(read(made([16, Buffer.from([0, 3, 9, 104])]))).toMatchObject({ alert: 'decode_error' })
  })

  test('nothing that is changed or cut off throws', () => {
    for (let i = 0; i < 1000; i++) {
      const bytes = Buffer.from(whole)
      for (let n = 0; n < 1 + (i % 5); n++) bytes[Math.floor(Math.random() * bytes.length)] = Math.random() * 256
      expect(() => read(bytes.subarray(0, 1 + Math.floor(Math.random() * bytes.length)))).not.toThrow()
    }
  })
})
