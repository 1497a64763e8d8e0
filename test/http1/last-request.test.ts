import fc from 'fast-check'
import { expect, test } from 'vitest'
import { announceLast } from '../../core/http1/last-request.ts'
import { RequestReader } from '../../core/http1/request-reader.ts'

const chunks = fc.array(fc.string({ minLength: 1, maxLength: 30, unit: fc.constantFrom('a', '\r', '\n', '0') }), {
  maxLength: 4,
})
const body = fc.oneof(
  fc.constant('\r\n'),
  chunks.map((pieces) => `content-length: ${pieces.join('').length}\r\n\r\n${pieces.join('')}`),
  fc
    .tuple(chunks, fc.constantFrom('', ';a=b'), fc.constantFrom('', 'x: 1\r\n'))
    .map(([pieces, extension, trailers]) => {
      const coded = pieces.map((piece) => `${piece.length.toString(16)}${extension}\r\n${piece}\r\n`)
      return `transfer-encoding: chunked\r\n\r\n${coded.join('')}0\r\n${trailers}\r\n`
    }),
)

test('wherever the body of a request has been read to, what is pipelined behind it is found', () => {
  fc.assert(
    fc.property(
      fc.array(body, { minLength: 2, maxLength: 4 }),
      fc.nat(),
      fc.boolean(),
      fc.nat(2),
      (all, at, last, cut) => {
        const stream = all.map((fields, i) => {
          const connection = last && i === all.length - 1 ? 'close' : 'keep-alive'
          return `POST /${i} HTTP/1.1\r\nhost: h\r\nconnection: ${connection}\r\n${fields}`
        })
        const bytes = Buffer.from(stream.join(''), 'latin1')
        const head = stream[0]!.indexOf('\r\n\r\n') + 4
        const to = head + (at % (stream[0]!.length - head + 1))
        const reader = new RequestReader()
        // The reader moves what it reads.
        reader.input.push(Buffer.from(bytes.subarray(0, to)), false)
        reader.nextHead()
        while (reader.input.length > 0 && reader.body.read(reader.input) !== undefined);
        const unread = Buffer.from(reader.input.bytes.subarray(reader.input.at))
        const rest = Buffer.concat([unread, bytes.subarray(to, bytes.length - cut)])
        expect(announceLast(rest, reader.body.copy())).toBe(last && cut === 0)
        // The copy has left the reader where it was.
        reader.input.push(Buffer.from(bytes.subarray(to)), false)
        while (!reader.body.done && reader.body.read(reader.input) !== undefined);
        expect(reader.body.done).toBe(true)
        expect(reader.nextHead()).toMatchObject({ target: '/1' })
      },
    ),
    { numRuns: 1_000 },
  )
})
