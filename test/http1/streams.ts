import fc from 'fast-check'

/** Pieces that parsers have been known to disagree about. */
const tokens = [
  ...[
    '\r\n',
    '\n',
    '\r',
    '\r\n\r\n',
    '\n\n',
    '\0',
    ' ',
    '\t',
    '\v',
    '\f',
    ':',
    ': ',
    ' :',
    ',',
    ';',
    '"',
    '\\',
    '\x7f',
  ],
  ...['\x80', '\xff', '0', '00', '5', 'a', 'F', '+', '-', '0x', '_', 'e', '.', '/', '*', '#', '?', '%'],
  ...['HTTP/1.1', 'HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'http/1.1', 'GET ', 'POST ', 'HEAD ', 'get ', 'PRI ', 'QUERY '],
  ...['Content-Length: 5', 'Content-Length: 0', 'content-length:5', 'Transfer-Encoding: chunked', 'Host: a'],
  ...['transfer-encoding: CHUNKED', 'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: identity', 'X: y'],
  ...['Connection: close', 'Connection: keep-alive', 'Connection: upgrade', 'Upgrade: x', 'Expect: 100-continue'],
  ...['5\r\nhello\r\n', '0\r\n\r\n', '0\r\n', '5;a=b\r\n', '1\r\nx\r\n', 'ffffffffffffffff', '10000000000000000'],
  ...[
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    ' chunked',
    'chunked ',
    'chunked,',
    ',chunked',
    ' 200 ',
    '204',
    '304',
    '100',
  ],
] as const

const token: fc.Arbitrary<string> = fc.constantFrom(...tokens)
const byte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code))

/** Mostly the first, now and then the other. */
function mostly(usual: fc.Arbitrary<string>, odd: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof({ weight: 12, arbitrary: usual }, { weight: 1, arbitrary: odd })
}

const word = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}$/)
const eol = mostly(fc.constant('\r\n'), token)
const text = fc.stringMatching(/^[\t\x20-\x7e\x80-\xff]{0,20}$/)
const framing = fc.constantFrom(
  ...['Content-Length: 5', 'Content-Length: 0', 'Content-Length: 10', 'content-length: 5 ', 'CONTENT-LENGTH:\t5'],
  ...['Transfer-Encoding: chunked', 'transfer-encoding: Chunked', 'Transfer-Encoding:chunked ', 'Connection: close'],
  ...['Connection: keep-alive', 'Content-Length: 05', 'Content-Length: 5, 5', 'Transfer-Encoding: chunked, chunked'],
  ...['Content-Length: 0010', 'X: a\r\n b', 'X\t: c', 'Transfer-Encoding:\r\n chunked'],
)
const field = fc.oneof(
  framing,
  fc
    .tuple(word, mostly(fc.constant(':'), token), fc.constantFrom('', ' ', '\t', '  '), text)
    .map((parts) => parts.join('')),
)
const fieldLines = fc.array(fc.tuple(field, eol).map((parts) => parts.join(''))).map((lines) => lines.join(''))

const extension = fc.oneof(
  { weight: 6, arbitrary: fc.constant('') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ';a',
      ';a=b',
      ';a="b;\\"c"',
      ';',
      ' ;a',
      ';a=',
      '; a',
      ';a =b',
      ';a="',
      ';a=""',
      ';a=;b',
      '  ',
      '\t; a = "b" ',
    ),
  },
  { weight: 1, arbitrary: text.map((end) => `;${end}`) },
)
const chunk = fc
  .tuple(text, extension, mostly(fc.constant(''), token), eol, eol)
  .map(([data, end, odd, first, second]) => `${data.length.toString(16)}${odd}${end}${first}${data}${second}`)
const chunks = fc
  .tuple(fc.array(chunk.filter((one) => !one.startsWith('0'))), mostly(fc.constant('0'), token), eol, fieldLines, eol)
  .map(([all, last, first, trailers, end]) => `${all.join('')}${last}${first}${trailers}${end}`)
const body = fc.oneof(fc.constant(''), fc.constant('hello'), chunks, text)

const requestLine = fc
  .tuple(
    mostly(fc.constantFrom('GET', 'POST', 'HEAD', 'OPTIONS', 'PUT', 'CONNECT', 'M-SEARCH', 'QUERY'), word),
    mostly(fc.constant(' '), token),
    mostly(fc.constantFrom('/', '/a?b=c', '*', 'http://a/b', 'a:1', '/a/../b', '/%00'), text),
    mostly(fc.constant(' '), token),
    mostly(fc.constantFrom('HTTP/1.1', 'HTTP/1.0'), token),
  )
  .map((parts) => parts.join(''))
const statusLine = fc
  .tuple(
    mostly(fc.constantFrom('HTTP/1.1', 'HTTP/1.0'), token),
    mostly(fc.constant(' '), token),
    mostly(fc.constantFrom('200', '204', '304', '100', '103', '404', '999'), word),
    mostly(fc.constantFrom(' OK', '', ' ', ' a b'), text),
  )
  .map((parts) => parts.join(''))

function message(firstLine: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(firstLine, eol, fieldLines, eol, body).map((parts) => parts.join(''))
}

/** Streams that follow the grammar but for a slip here and there. */
export const requestStream: fc.Arbitrary<string> = fc
  .array(message(requestLine), { minLength: 1, maxLength: 3 })
  .map((all) => all.join(''))
export const responseStream: fc.Arbitrary<string> = fc
  .array(message(statusLine), { minLength: 1, maxLength: 3 })
  .map((all) => all.join(''))

type Edit = (stream: string) => string

const edit: fc.Arbitrary<Edit> = fc
  .tuple(fc.nat(), fc.nat(6), fc.oneof(token, byte), fc.nat(10))
  .map(([position, kind, piece, size]) => (stream) => {
    const at = position % (stream.length + 1)
    const end = Math.min(stream.length, at + 1 + size)
    if (kind <= 2) return stream.slice(0, at) + piece + stream.slice(at)
    if (kind === 3) return stream.slice(0, at) + stream.slice(end)
    if (kind === 4) return stream.slice(0, at) + piece + stream.slice(at + 1)
    if (kind === 5) return stream.slice(0, end) + stream.slice(at)
    return stream.slice(0, at)
  })

/** A stream of a corpus after a few cuts, insertions and repetitions. */
export function mutated(corpus: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...corpus), fc.array(edit, { minLength: 1, maxLength: 3 }))
    .map(([stream, edits]) => edits.reduce((so, one) => one(so), stream))
}

/** Where a stream of bytes is cut into the chunks that it arrives in. */
export function cut(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((place) => place % (stream.length + 1)))].sort((a, b) => a - b)
  const chunks: Buffer[] = []
  let from = 0
  for (const place of [...places, stream.length]) {
    if (place > from) chunks.push(stream.subarray(from, place))
    from = Math.max(from, place)
  }
  return chunks
}
