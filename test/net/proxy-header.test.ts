import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc32c } from '../../core/net/crc32c.ts'
import { normalizeIp } from '../../core/net/peer.ts'
import { type ProxiedTls, type ProxyHeader, ProxyHeaderReader, type ProxyProblem } from '../../core/net/proxy-header.ts'
import { writeProxyHeader } from '../../core/net/write-proxy-header.ts'
import cases from '../cases/net/proxy-headers.json' with { type: 'json' }

interface Case {
  readonly name: string
  readonly text?: string
  readonly hex?: string
  /** Without them and a problem: the ends of the connection itself count. */
  readonly ends?: { readonly source: string; readonly destination: string }
  readonly transport?: string
  readonly tls?: unknown
  readonly problem?: string
}

const behind = Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET / HTTP/1.1\r\n\r\n')

function shown(result: ProxyHeader | ProxyProblem | undefined): unknown {
  if (result === undefined) return 'more is needed'
  if ('problem' in result) return { problem: result.problem }
  const { ends, tls } = result
  if (ends === undefined) return {}
  const { source, destination, transport } = ends
  const text = { source: `${source.address}:${source.port}`, destination: `${destination.address}:${destination.port}` }
  return { ends: text, transport, ...(tls !== undefined && { tls }) }
}

/** Reads pieces, and then what follows the header. */
function read(pieces: readonly Buffer[]): { result: unknown; rest: string } {
  const reader = new ProxyHeaderReader()
  let result: ProxyHeader | ProxyProblem | undefined
  let at = 0
  while (at < pieces.length && result === undefined) result = reader.push(pieces[at++]!)
  const rest = Buffer.concat([reader.rest, ...pieces.slice(at)])
  return { result: shown(result), rest: rest.toString('latin1') }
}

test.each(cases as readonly Case[])('$name', ({ text, hex, ends, transport = 'stream', tls, problem }) => {
  const header = hex === undefined ? Buffer.from(text!, 'latin1') : Buffer.from(hex, 'hex')
  const expected =
    problem !== undefined
      ? { problem }
      : ends === undefined
        ? {}
        : { ends, transport, ...(tls !== undefined && { tls }) }
  const all = Buffer.concat([header, behind])
  const rest = problem === undefined ? { rest: behind.toString('latin1') } : {}
  expect(read([all])).toMatchObject({ result: expected, ...rest })
  if (header.length > 600) return
  const single = Array.from(all, (byte) => Buffer.of(byte))
  expect(read(single)).toMatchObject({ result: expected, ...rest })
  for (let at = 1; at < all.length; at++)
    expect(read([all.subarray(0, at), all.subarray(at)])).toMatchObject({ result: expected, ...rest })
})

test('what is wrong is told with the byte that shows it', () => {
  const told = (bytes: Buffer): number => {
    const reader = new ProxyHeaderReader()
    return bytes.findIndex((byte) => reader.push(Buffer.of(byte)) !== undefined)
  }
  expect(told(Buffer.from('GET / HTTP/1.1'))).toBe(0)
  expect(told(Buffer.from('POST / HTTP/1.1'))).toBe(1)
  const first = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
  expect(told(Buffer.concat([first, Buffer.of(0x31, 0x11, 0, 12)]))).toBe(12)
  expect(told(Buffer.concat([first, Buffer.of(0x21, 0x31, 0, 12)]))).toBe(13)
  expect(told(Buffer.concat([first, Buffer.of(0x21, 0x11, 0xff, 0xff)]))).toBe(15)
})

test('the checksum is that of RFC 3720, appendix B.4', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
  expect(crc32c(Buffer.from('56789'), crc32c(Buffer.from('1234')))).toBe(0xe3069283)
})

const port = fc.nat({ max: 65_535 })
const v4 = fc.record({ address: fc.ipV4(), port })
const v6 = fc.record({ address: fc.ipV6().map(normalizeIp), port })
const text = fc.option(fc.string({ minLength: 1, maxLength: 60 }), { nil: undefined })
const tls: fc.Arbitrary<ProxiedTls> = fc.record({
  serverName: fc.option(fc.domain(), { nil: undefined }),
  alpn: text,
  version: fc.constantFrom('1.2', '1.3'),
  cipher: text,
  client: fc.option(fc.record({ commonName: text, verified: fc.boolean() }), { nil: undefined }),
})

test('what is written is read as it was', () => {
  const client = fc.record({
    source: fc.oneof(v4, v6),
    destination: fc.oneof(v4, v6),
    tls: fc.option(tls, { nil: undefined }),
  })
  fc.assert(
    fc.property(
      client,
      fc.constantFrom('v1' as const, 'v2' as const),
      fc.nat(),
      ({ source, destination, tls }, version, cut) => {
        const header = writeProxyHeader(version, { source, destination, tls })
        const all = Buffer.concat([header, behind])
        const at = cut % all.length
        const reader = new ProxyHeaderReader()
        const first = reader.push(all.subarray(0, at))
        const result = first ?? reader.push(all.subarray(at))
        const ends = { source, destination, transport: 'stream' }
        expect(result).toEqual({ ends, tls: version === 'v1' ? undefined : tls })
        if (version === 'v1') expect(header.length).toBeLessThanOrEqual(107)
      },
    ),
  )
})

test('a header is broken by any other byte, or says something else, but never throws', () => {
  const header = writeProxyHeader('v2', {
    source: { address: '203.0.113.9', port: 51_413 },
    destination: { address: '2001:db8::2', port: 443 },
    tls: { serverName: 'a.example', alpn: 'h2', version: '1.3', cipher: 'x', client: undefined },
  })
  const typeOfChecksum = header.length - 7
  for (let at = 0; at < header.length; at++) {
    if (at === typeOfChecksum) continue
    for (const bit of [1, 16, 128]) {
      const bent = Buffer.from(header)
      bent[at]! ^= bit
      const result = new ProxyHeaderReader().push(bent)
      // After LOCAL, without a family and before the end of a longer length the checksum is not looked at.
      const isSeen = result !== undefined && 'ends' in result && result.ends !== undefined
      expect(isSeen).toBe(false)
    }
  }
})

test('any bytes are a header, no header, or a beginning of bounded length', () => {
  const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
  const starts = [
    Buffer.alloc(0),
    Buffer.from('PROXY TCP'),
    signature,
    Buffer.concat([signature, Buffer.of(0x21, 0x11)]),
  ]
  fc.assert(
    fc.property(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 200 }), (start, more) => {
      const reader = new ProxyHeaderReader()
      const first = reader.push(Buffer.concat([start, more]))
      const result = first ?? reader.push(Buffer.alloc(4096))
      expect(result).toBeDefined()
      const all = start.length + more.length + (first === undefined ? 4096 : 0)
      if (!('problem' in result!)) expect(reader.rest.length).toBeLessThan(all)
    }),
  )
})

test('a client without an address, a destination that is not known, and the gateway itself', () => {
  const unix = { source: { address: '', port: 0 }, destination: { address: '', port: 0 }, tls: undefined }
  expect(writeProxyHeader('v1', unix).toString()).toBe('PROXY UNKNOWN\r\n')
  expect(read([writeProxyHeader('v2', unix)]).result).toEqual({})
  const unknown = { source: { address: '::1', port: 5 }, destination: { address: '', port: 80 }, tls: undefined }
  expect(writeProxyHeader('v1', unknown).toString()).toBe('PROXY TCP6 ::1 :: 5 80\r\n')
  expect(writeProxyHeader('v1', undefined).toString()).toBe('PROXY UNKNOWN\r\n')
  expect(writeProxyHeader('v2', undefined).toString('hex')).toBe('0d0a0d0a000d0a515549540a20000000')
})
