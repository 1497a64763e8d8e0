import {
  codes,
  continuation,
  data,
  frame,
  goaway,
  type HeadersOptions,
  headers,
  ping,
  priority,
  rawSettings,
  request,
  requestFields,
  rst,
  settings,
  windowUpdate,
} from './frames.ts'
import { encodeBlock, integerOf, stringOf } from './hpack.ts'

/** What a client must not send: what it is, the bytes after preface and SETTINGS, and what must come of it. */
export type Malformed = readonly [what: string, bytes: Buffer, code: number | readonly number[]]

const { PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, COMPRESSION_ERROR } = codes
const post = [':method', 'POST']
const head = (fields: readonly string[], options?: HeadersOptions): Buffer => request(1, fields, options)
/** A list as it stands, with END_STREAM. */
const list = (...fields: string[]): Buffer => headers(1, fields, { end: true })
const without = (name: string): Buffer => {
  const all = requestFields()
  all.splice(all.indexOf(name), 2)
  return list(...all)
}
const body = (fields: readonly string[], ...frames: Buffer[]): Buffer =>
  Buffer.concat([request(1, [...post, ...fields], {}), ...frames])

/** Malformed requests (RFC 9113 §8.1.1): RST_STREAM on stream 1, and the connection goes on. */
export const ofStream: readonly Malformed[] = [
  ...[':method', ':scheme', ':path', ':authority'].map((name): Malformed => {
    const all = requestFields()
    return [`${name} twice`, list(...all, name, all[all.indexOf(name) + 1]!), PROTOCOL_ERROR]
  }),
  ...[':method', ':scheme', ':path'].map((name): Malformed => [`no ${name}`, without(name), PROTOCOL_ERROR]),
  ['a pseudo-header after a field', list('x-a', 'b', ...requestFields()), PROTOCOL_ERROR],
  [
    'the last pseudo-header after a field',
    list(...requestFields().slice(0, 6), 'x-a', 'b', ':authority', 'a.test'),
    PROTOCOL_ERROR,
  ],
  ['an unknown pseudo-header', list(...requestFields(), ':x', 'y'), PROTOCOL_ERROR],
  [':status in a request', list(...requestFields(), ':status', '200'), PROTOCOL_ERROR],
  [':protocol without CONNECT', list(...requestFields(), ':protocol', 'websocket'), PROTOCOL_ERROR],
  ['an empty :path', head([':path', '']), PROTOCOL_ERROR],
  ['a :path without its slash', head([':path', 'x']), PROTOCOL_ERROR],
  ['a space in :path', head([':path', '/a b']), PROTOCOL_ERROR],
  ['CR and LF in :path', head([':path', '/\r\nx: y']), PROTOCOL_ERROR],
  ['a :method that is no token', head([':method', 'GE T']), PROTOCOL_ERROR],
  ['CONNECT with :path', head([':method', 'CONNECT']), PROTOCOL_ERROR],
  ['two Hosts', head(['host', 'a.test', 'host', 'a.test']), PROTOCOL_ERROR],
  ['a Host other than :authority', head(['host', 'b.test']), PROTOCOL_ERROR],
  ['an upper-case name', head(['X-a', 'b']), PROTOCOL_ERROR],
  ['an upper-case letter within a name', head(['x-aB', 'b']), PROTOCOL_ERROR],
  ['an empty name', head(['', 'b']), PROTOCOL_ERROR],
  ['a space in a name', head(['x a', 'b']), PROTOCOL_ERROR],
  ['a colon in a name', head(['x:a', 'b']), PROTOCOL_ERROR],
  ['a byte above 0x7E in a name', head(['x\xe9', 'b']), PROTOCOL_ERROR],
  ['NUL in a value', head(['x-a', 'b\0c']), PROTOCOL_ERROR],
  ['CR in a value', head(['x-a', 'b\rc']), PROTOCOL_ERROR],
  ['LF in a value', head(['x-a', 'b\nc: d']), PROTOCOL_ERROR],
  ['a space before a value', head(['x-a', ' b']), PROTOCOL_ERROR],
  ['a tab behind a value', head(['x-a', 'b\t']), PROTOCOL_ERROR],
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'].map(
    (name): Malformed => [
      `the field ${name}`,
      head([name, name === 'transfer-encoding' ? 'chunked' : 'x']),
      PROTOCOL_ERROR,
    ],
  ),
  ['te other than trailers', head(['te', 'gzip']), PROTOCOL_ERROR],
  ...['x', '-1', '+1', '1, 2', '0x1', '1 2', '99999999999999999999'].map(
    (text): Malformed => [`content-length: ${text}`, body(['content-length', text]), PROTOCOL_ERROR],
  ),
  ['two different content-lengths', body(['content-length', '1', 'content-length', '2']), PROTOCOL_ERROR],
  ['less than content-length', body(['content-length', '5'], data(1, 'abc', { end: true })), PROTOCOL_ERROR],
  ['more than content-length', body(['content-length', '2'], data(1, 'abc')), PROTOCOL_ERROR],
  ['content-length and no body', head([...post, 'content-length', '5']), PROTOCOL_ERROR],
  ['trailers without END_STREAM', body([], data(1, 'abc'), headers(1, ['x-a', 'b'])), PROTOCOL_ERROR],
  ['a pseudo-header in trailers', body([], data(1, 'abc'), headers(1, [':path', '/'], { end: true })), PROTOCOL_ERROR],
  ['an upper-case name in trailers', body([], data(1, 'abc'), headers(1, ['X-a', 'b'], { end: true })), PROTOCOL_ERROR],
  ['a WINDOW_UPDATE of 0 for a stream', body([], windowUpdate(1, 0)), PROTOCOL_ERROR],
  ['a stream window above 2^31-1', body([], windowUpdate(1, 0x7fffffff)), FLOW_CONTROL_ERROR],
]

const size = (value: number): Buffer => integerOf(value, 5, 0x20)
const block = (...parts: Buffer[]): Buffer => headers(1, Buffer.concat(parts), { end: true })
const normal = encodeBlock(requestFields())

/** Violations of the framing, of HPACK and of states (§5 to §7): GOAWAY, and the connection ends. */
export const ofConnection: readonly Malformed[] = [
  ['DATA on stream 0', data(0, 'x'), PROTOCOL_ERROR],
  ['HEADERS on stream 0', request(0), PROTOCOL_ERROR],
  ['HEADERS on a stream of the server', request(2), PROTOCOL_ERROR],
  ['stream ids backwards', Buffer.concat([request(5), request(3)]), [PROTOCOL_ERROR, STREAM_CLOSED]],
  ['DATA on an idle stream', data(1, 'x'), PROTOCOL_ERROR],
  ['RST_STREAM on an idle stream', rst(1), PROTOCOL_ERROR],
  ['WINDOW_UPDATE on an idle stream', windowUpdate(1, 1), PROTOCOL_ERROR],
  ['RST_STREAM on stream 0', rst(0), PROTOCOL_ERROR],
  ['RST_STREAM of 3 bytes', Buffer.concat([request(1, [], {}), frame('RST_STREAM', 0, 1, 'abc')]), FRAME_SIZE_ERROR],
  ['padding longer than DATA', Buffer.concat([request(1, post, {}), frame('DATA', 8, 1, '\x05abcd')]), PROTOCOL_ERROR],
  [
    'padded DATA without a length',
    Buffer.concat([request(1, post, {}), frame('DATA', 8, 1)]),
    [FRAME_SIZE_ERROR, PROTOCOL_ERROR],
  ],
  [
    'padding longer than HEADERS',
    frame('HEADERS', 0x0d, 1, Buffer.concat([Buffer.of(200), normal.subarray(0, 20)])),
    PROTOCOL_ERROR,
  ],
  ['HEADERS with half a priority', frame('HEADERS', 0x25, 1, 'abc'), [FRAME_SIZE_ERROR, PROTOCOL_ERROR]],
  ['PRIORITY on stream 0', priority(0, 1), PROTOCOL_ERROR],
  ['PING of 7 bytes', ping('1234567'), FRAME_SIZE_ERROR],
  ['PING on a stream', frame('PING', 0, 1, '12345678'), PROTOCOL_ERROR],
  ['SETTINGS of 5 bytes', frame('SETTINGS', 0, 0, 'abcde'), FRAME_SIZE_ERROR],
  ['SETTINGS on a stream', frame('SETTINGS', 0, 1), PROTOCOL_ERROR],
  ['SETTINGS with ACK and a payload', frame('SETTINGS', 1, 0, 'abcdef'), FRAME_SIZE_ERROR],
  ['ENABLE_PUSH 2', settings({ enablePush: 2 }), PROTOCOL_ERROR],
  ['INITIAL_WINDOW_SIZE 2^31', settings({ initialWindowSize: 2 ** 31 }), FLOW_CONTROL_ERROR],
  ['MAX_FRAME_SIZE 100', settings({ maxFrameSize: 100 }), PROTOCOL_ERROR],
  ['MAX_FRAME_SIZE 2^24', settings({ maxFrameSize: 2 ** 24 }), PROTOCOL_ERROR],
  ['ENABLE_CONNECT_PROTOCOL 2', rawSettings([[8, 2]]), PROTOCOL_ERROR],
  [
    'a window of a stream above 2^31-1 by SETTINGS',
    Buffer.concat([request(1, post, {}), windowUpdate(1, 0x7fff0000), settings({ initialWindowSize: 0x7fffffff })]),
    FLOW_CONTROL_ERROR,
  ],
  ['WINDOW_UPDATE of 3 bytes', frame('WINDOW_UPDATE', 0, 0, 'abc'), FRAME_SIZE_ERROR],
  ['a WINDOW_UPDATE of 0 for the connection', windowUpdate(0, 0), PROTOCOL_ERROR],
  ['a connection window above 2^31-1', windowUpdate(0, 0x7fffffff), FLOW_CONTROL_ERROR],
  ['a frame of 16,385 bytes', Buffer.concat([request(1, post, {}), data(1, Buffer.alloc(16_385))]), FRAME_SIZE_ERROR],
  ['an unknown frame of 2^24-1 bytes', Buffer.from('ffffffbb0000000001', 'hex'), FRAME_SIZE_ERROR],
  [
    'PUSH_PROMISE of a client',
    frame('PUSH_PROMISE', 4, 1, Buffer.concat([Buffer.of(0, 0, 0, 2), normal])),
    PROTOCOL_ERROR,
  ],
  ['GOAWAY on a stream', frame('GOAWAY', 0, 1, Buffer.alloc(8)), PROTOCOL_ERROR],
  ['GOAWAY of 7 bytes', frame('GOAWAY', 0, 0, Buffer.alloc(7)), FRAME_SIZE_ERROR],
  ['CONTINUATION without HEADERS', continuation(1, normal), PROTOCOL_ERROR],
  ['CONTINUATION after a block that is over', Buffer.concat([request(1), continuation(1, normal)]), PROTOCOL_ERROR],
  [
    'CONTINUATION of another stream',
    Buffer.concat([headers(1, normal, { complete: false }), continuation(3, normal)]),
    PROTOCOL_ERROR,
  ],
  ['another frame within a block', Buffer.concat([headers(1, normal, { complete: false }), ping()]), PROTOCOL_ERROR],
  [
    'an unknown frame within a block',
    Buffer.concat([headers(1, normal, { complete: false }), frame(0xbb, 0, 1)]),
    PROTOCOL_ERROR,
  ],
  ['HPACK: index 0', block(Buffer.of(0x80)), COMPRESSION_ERROR],
  ['HPACK: an index of no entry', block(Buffer.of(0x80 | 62)), COMPRESSION_ERROR],
  ['HPACK: an index above 2^32', block(Buffer.from('ffffffffffffff0f', 'hex')), COMPRESSION_ERROR],
  [
    'HPACK: an integer that never ends',
    block(Buffer.concat([Buffer.of(0xff), Buffer.alloc(60, 0x80)])),
    COMPRESSION_ERROR,
  ],
  ['HPACK: half a field', block(normal.subarray(0, -3)), COMPRESSION_ERROR],
  [
    'HPACK: a string longer than the block',
    block(normal, Buffer.of(0), stringOf('x'), Buffer.of(0x7f, 0xff, 0x7f)),
    COMPRESSION_ERROR,
  ],
  [
    'HPACK: Huffman with EOS',
    block(normal, Buffer.of(0), stringOf('x'), Buffer.of(0x84, 255, 255, 255, 255)),
    COMPRESSION_ERROR,
  ],
  [
    'HPACK: Huffman with a byte of padding',
    block(normal, Buffer.of(0), stringOf('x'), Buffer.of(0x82, 0x1f, 0xff)),
    COMPRESSION_ERROR,
  ],
  [
    'HPACK: Huffman with padding of zeros',
    block(normal, Buffer.of(0), stringOf('x'), Buffer.of(0x81, 0x18)),
    COMPRESSION_ERROR,
  ],
  ['HPACK: a table above what was allowed', block(size(4_097), normal), COMPRESSION_ERROR],
  ['HPACK: a size after a field', block(normal, size(100)), COMPRESSION_ERROR],
  ['HPACK: malformed trailers', body([], headers(1, Buffer.of(0x80), { end: true })), COMPRESSION_ERROR],
  [
    'HPACK: malformed, on a stream that has ended',
    Buffer.concat([request(1), rst(1), headers(1, Buffer.of(0x80), { end: true })]),
    [COMPRESSION_ERROR, STREAM_CLOSED],
  ],
]

/** Stream errors that may end the connection (§5.4.2), such as frames on a stream that the client has ended (§5.1). */
export const ofEither: readonly Malformed[] = [
  ['a PRIORITY of 4 bytes', body([], frame('PRIORITY', 0, 1, '\0\0\0\0')), FRAME_SIZE_ERROR],
  ['DATA after END_STREAM', Buffer.concat([request(1), data(1, 'x')]), STREAM_CLOSED],
  ['HEADERS after END_STREAM', Buffer.concat([request(1), request(1)]), [STREAM_CLOSED, PROTOCOL_ERROR]],
]

/** What looks odd and has to be taken: all of these are answered. */
export const fine: readonly (readonly [what: string, bytes: Buffer])[] = [
  ['an unknown frame', Buffer.concat([frame(0xbb, 0xff, 0, 'x'), frame(0xbb, 0xff, 7, 'x'), request(1)])],
  [
    'an unknown setting',
    Buffer.concat([
      rawSettings([
        [0xff, 1],
        [4, 65_535],
      ]),
      request(1),
    ]),
  ],
  ['unknown flags', Buffer.concat([frame('PING', 0xfe, 0, '12345678'), frame('HEADERS', 0xd5 & ~0x08, 1, normal)])],
  ['the reserved bit of a stream id', frame('HEADERS', 5, 0x80000001, normal)],
  ['a priority of the stream on itself', Buffer.concat([priority(1, 1), request(1)])],
  ['PRIORITY on an idle stream', Buffer.concat([priority(9), priority(2), request(1)])],
  ['a block of a byte a frame', request(1, [], { end: true, split: 24 })],
  [
    'empty CONTINUATION frames',
    Buffer.concat([
      headers(1, normal, { end: true, complete: false }),
      continuation(1, Buffer.alloc(0), false),
      continuation(1, Buffer.alloc(0)),
    ]),
  ],
  ['padding of 255 bytes', request(1, [], { end: true, padding: 255 })],
  [
    'padding and nothing else',
    Buffer.concat([request(1, post, {}), data(1, '', { padding: 9 }), data(1, '', { end: true, padding: 0 })]),
  ],
  ['two sizes of the table', block(size(0), size(4_096), normal)],
  ['te: trailers', head(['te', 'trailers'])],
  ['Host like :authority', head(['host', 'a.test'])],
  ['Host without :authority', list(':method', 'GET', ':scheme', 'http', ':path', '/', 'host', 'a.test')],
  ['OPTIONS *', head([':method', 'OPTIONS', ':path', '*'])],
  ['cookies in crumbs', head(['cookie', 'a=b', 'cookie', 'c=d'])],
  ['ids with gaps', Buffer.concat([request(1), request(101)])],
  ['a GOAWAY of the client after its request', Buffer.concat([request(1), goaway(0)])],
  ['a PING answered unasked', Buffer.concat([ping('12345678', true), request(1)])],
  [
    'RST_STREAM and WINDOW_UPDATE on a stream that is over',
    Buffer.concat([request(1), rst(1), windowUpdate(1, 5), rst(1), request(3)]),
  ],
]
