import type { Case, Duty } from '../case.ts'
import { emptied, empty, get, head, malformed, own, refusal } from '../text.ts'

const via = 'via: 1.1 {gateway}'
const ask = head('GET / HTTP/1.1', 'Host: a')

/** A request that the codec refuses, whatever the reason; nothing of it is seen. */
function bad(rfc: string, what: string, client: string, status?: number): Case {
  return { rfc, what, client, seen: [], got: malformed(status), end: 'fin' }
}

function post(...lines: string[]): string {
  return head('POST / HTTP/1.1', 'Host: a', ...lines)
}

/** A response that is refused. */
function badResponse(rfc: string, what: string, response: string): Case {
  return { rfc, what, client: ask, backend: [response], seen: [get('/')], got: refusal('UPE') }
}

/** How messages are told apart, and what is no message. */
export const messages: readonly Duty[] = [
  {
    number: 6,
    title: 'framing',
    cases: [
      bad(
        '9112 §6.3',
        'both Content-Length and Transfer-Encoding',
        post('Content-Length: 5', 'Transfer-Encoding: chunked'),
      ),
      bad('9112 §6.3', 'two lengths', post('Content-Length: 5', 'Content-Length: 6')),
      bad('9112 §6.3', 'two equal lengths', post('Content-Length: 5', 'content-length: 5')),
      ...['+5', '-5', '5, 5', '0x5', '010', '5 5', '', '9'.repeat(20)].map((length) =>
        bad('9110 §8.6', `the length "${length}"`, post(`Content-Length: ${length}`)),
      ),
      ...['xchunked', '"chunked"', 'identity', 'chunked;a'].map((coding) =>
        bad('9112 §6.1', `the coding "${coding}"`, post(`Transfer-Encoding: ${coding}`)),
      ),
      bad('9112 §6.1', 'a coding besides chunked', post('Transfer-Encoding: gzip, chunked'), 501),
      bad('9112 §6.1', 'chunked twice', post('Transfer-Encoding: chunked, chunked'), 501),
      bad('9112 §6.1', 'a coding in HTTP/1.0', head('POST / HTTP/1.0', 'Host: a', 'Transfer-Encoding: chunked')),
      ...['1x', '-1', '2, 3'].map((length) =>
        badResponse(
          '9112 §6.3',
          `a response of the length "${length}"`,
          `${head('HTTP/1.1 200 OK', `Content-Length: ${length}`)}ok`,
        ),
      ),
      ...['0002', '2, 2', '2\r\nContent-Length: 02'].map(
        (length): Case => ({
          rfc: '9110 §8.6',
          what: `a response of the length ${JSON.stringify(length)} has one meaning, and its connection carries nothing else`,
          client: ask,
          later: [{ after: 'ok', send: head('GET /2 HTTP/1.1', 'Host: a') }],
          backend: [`${head('HTTP/1.1 200 OK', `Content-Length: ${length}`)}ok`, empty],
          seen: [get('/'), get('/2')],
          got: `${head('HTTP/1.1 200 OK', via, 'Content-Length: 2', 'date: {date}')}ok${emptied}`,
        }),
      ),
      badResponse(
        '9110 §8.6',
        'a response with two lengths that differ',
        `${head('HTTP/1.1 200 OK', 'Content-Length: 2', 'Content-Length: 3')}ok`,
      ),
      badResponse(
        '9112 §6.1',
        'a response with the coding identity',
        `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: identity')}ok`,
      ),
      badResponse(
        '9112 §7',
        'a response that is chunked twice',
        `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked, chunked')}2\r\nok\r\n0\r\n\r\n`,
      ),
      {
        rfc: '9112 §6.1',
        what: 'a chunked response in HTTP/1.0 is read by its chunks',
        client: ask,
        later: [{ after: 'ok', send: head('GET /2 HTTP/1.1', 'Host: a') }],
        backend: [
          `${head('HTTP/1.0 200 OK', 'Connection: keep-alive', 'Transfer-Encoding: chunked')}2\r\nok\r\n0\r\n\r\n`,
          empty,
        ],
        seen: [get('/'), get('/2')],
        got: `${head('HTTP/1.1 200 OK', 'via: 1.0 {gateway}', 'Transfer-Encoding: chunked', 'date: {date}')}2\r\nok\r\n0\r\n\r\n${emptied}`,
      },
      {
        rfc: '9112 §2.2',
        what: 'a response whose lines end with LF alone is framed anew',
        client: ask,
        later: [{ after: 'ok', send: head('GET /2 HTTP/1.1', 'Host: a') }],
        backend: ['HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n', empty],
        seen: [get('/'), get('/2')],
        got: `${head('HTTP/1.1 200 OK', via, 'Transfer-Encoding: chunked', 'date: {date}')}2\r\nok\r\n0\r\n\r\n${emptied}`,
      },
      badResponse(
        '9112 §2.2',
        'a response with line ends of both kinds',
        'HTTP/1.1 200 OK\r\nX: 1\nContent-Length: 0\r\n\r\n',
      ),
      badResponse(
        '9112 §5',
        'a response with a line without a colon',
        head('HTTP/1.1 200 OK', 'X', 'Content-Length: 0'),
      ),
      badResponse(
        '9112 §6.3',
        'a response with both length and coding',
        `${head('HTTP/1.1 200 OK', 'Content-Length: 2', 'Transfer-Encoding: chunked')}2\r\nok\r\n0\r\n\r\n`,
      ),
      {
        rfc: '9112 §9.2',
        what: 'bytes after a complete response are nobody’s: the connection is not used again',
        client: ask,
        later: [{ after: 'ok', send: head('GET /2 HTTP/1.1', 'Host: a') }],
        backend: [
          `${head('HTTP/1.1 200 OK', 'Content-Length: 2')}ok${head('HTTP/1.1 200 OK', 'Content-Length: 4')}evil`,
          head('HTTP/1.1 204 No Content'),
        ],
        seen: [get('/'), get('/2')],
        got: `${head('HTTP/1.1 200 OK', via, 'Content-Length: 2', 'date: {date}')}ok${head('HTTP/1.1 204 No Content', via, 'date: {date}')}`,
      },
      {
        rfc: '9112 §9.3.2',
        what: 'pipelined requests are answered in order',
        client: `${ask}${post('Content-Length: 2')}hi${head('GET /3 HTTP/1.1', 'Host: a')}`,
        backend: ['1', '2', '3'].map((one) => `${head('HTTP/1.1 200 OK', 'Content-Length: 1')}${one}`),
        seen: [`${get('/')}${head('POST / HTTP/1.1', 'Host: a', ...own('a'), 'Content-Length: 2')}hi${get('/3')}`],
        got: ['1', '2', '3']
          .map((one) => `${head('HTTP/1.1 200 OK', via, 'Content-Length: 1', 'date: {date}')}${one}`)
          .join(''),
      },
    ],
  },
  {
    number: 7,
    title: 'what is no header',
    cases: [
      bad('9112 §5.2', 'a folded line', head('GET / HTTP/1.1', 'Host: a', 'X: 1', ' 2')),
      {
        rfc: '9112 §5.2',
        what: 'a folded line of a response is unfolded, and its connection carries nothing else',
        client: ask,
        later: [{ after: 'date', send: head('GET /2 HTTP/1.1', 'Host: a') }],
        backend: [head('HTTP/1.1 200 OK', 'X: 1', '\t2', 'Content-Length: 0'), empty],
        seen: [get('/'), get('/2')],
        got: head('HTTP/1.1 200 OK', 'X: 1 \t2', via, 'Content-Length: 0', 'date: {date}') + emptied,
      },
      bad('9112 §5.1', 'a space before the colon', head('GET / HTTP/1.1', 'Host: a', 'X : 1')),
      {
        rfc: '9112 §5.1',
        what: 'a space before the colon of a response is taken away',
        client: ask,
        backend: [head('HTTP/1.1 200 OK', 'X \t: 1', 'Content-Length : 0')],
        seen: [get('/')],
        got: head('HTTP/1.1 200 OK', 'X: 1', via, 'Content-Length: 0', 'date: {date}'),
      },
      bad('9112 §2.2', 'a bare CR', head('GET / HTTP/1.1', 'Host: a', 'X: 1\rY: 2')),
      bad('9112 §2.2', 'a bare LF', 'GET / HTTP/1.1\nHost: a\n\n'),
      bad('9110 §5.5', 'NUL in a value', head('GET / HTTP/1.1', 'Host: a', 'X: 1\x002')),
      bad('9112 §2.2', 'whitespace before the first header', head('GET / HTTP/1.1', ' X: 1', 'Host: a')),
      bad('9110 §5.5', 'a control byte in a value', head('GET / HTTP/1.1', 'Host: a', 'X: 1\x072')),
      bad('9110 §5.1', 'a control byte in a name', head('GET / HTTP/1.1', 'Host: a', 'X\x07: 1')),
      bad('9110 §5.1', 'a name with a byte above ASCII', head('GET / HTTP/1.1', 'Host: a', 'X\xe9: 1')),
      bad('9110 §5.1', 'an empty name', head('GET / HTTP/1.1', 'Host: a', ': 1')),
      badResponse(
        '9110 §5.5',
        'NUL in a value of a response',
        head('HTTP/1.1 200 OK', 'X: 1\x002', 'Content-Length: 0'),
      ),
    ],
  },
  {
    number: 10,
    title: 'chunked',
    cases: [
      {
        rfc: '9112 §7.1.1',
        what: 'unknown extensions are ignored and not passed on',
        client: `${post('Transfer-Encoding: chunked')}5;a=1;b="2"\r\nhello\r\n0;c\r\n\r\n`,
        seen: [
          `${head('POST / HTTP/1.1', 'Host: a', ...own('a'), 'Transfer-Encoding: chunked')}5\r\nhello\r\n0\r\n\r\n`,
        ],
        got: emptied,
      },
      {
        rfc: '9112 §7.1.1',
        what: 'whitespace around extensions is parsed, as are leading zeros, and not passed on',
        client: `${post('Transfer-Encoding: chunked')}0005 ;a = 1\r\nhello\r\n0\t; c\r\n\r\n`,
        seen: [
          `${head('POST / HTTP/1.1', 'Host: a', ...own('a'), 'Transfer-Encoding: chunked')}5\r\nhello\r\n0\r\n\r\n`,
        ],
        got: emptied,
      },
      ...['5   \r\nhello\r\n0\r\n', '5;\r\nhello\r\n0\r\n', '5\r\nhello\r\n0\r\nContent-Length: 9\r\n'].map(
        (body): Case => ({
          rfc: '9112 §7.1',
          what: `a response of the chunks ${JSON.stringify(body)} is framed anew, and its connection carries nothing else`,
          client: ask,
          later: [{ after: 'hello', send: head('GET /2 HTTP/1.1', 'Host: a') }],
          backend: [`${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${body}\r\n`, empty],
          seen: [get('/'), get('/2')],
          got: `${head('HTTP/1.1 200 OK', via, 'Transfer-Encoding: chunked', 'date: {date}')}5\r\nhello\r\n0\r\n\r\n${emptied}`,
        }),
      ),
      {
        rfc: '9112 §7.1.1',
        what: 'a response with whitespace around extensions keeps its connection',
        client: ask,
        later: [{ after: 'hello', send: head('GET /2 HTTP/1.1', 'Host: a') }],
        backend: [`${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}5 ;x=1\r\nhello\r\n0\r\n\r\n`, empty],
        seen: [get('/') + get('/2')],
        got: `${head('HTTP/1.1 200 OK', via, 'Transfer-Encoding: chunked', 'date: {date}')}5\r\nhello\r\n0\r\n\r\n${emptied}`,
      },
      ...[
        '5 \r\nhello\r\n0\r\n\r\n',
        '5\r\nhelloX\r\n0\r\n\r\n',
        'x\r\nhello\r\n0\r\n\r\n',
        '-5\r\nhello\r\n',
        '0x5\r\nhello\r\n',
        `${'f'.repeat(20)}\r\n`,
        ' 5\r\nhello\r\n',
        '5\nhello\n',
      ].map(
        (body): Case => ({
          rfc: '9112 §7.1',
          what: `the chunk ${JSON.stringify(body)}`,
          client: post('Transfer-Encoding: chunked') + body,
          seen: [],
          got: malformed(),
          end: 'fin',
        }),
      ),
      {
        rfc: '9112 §7.1.1',
        what: 'an extension without end is refused',
        client: `${post('Transfer-Encoding: chunked')}5;${'a'.repeat(300)}`,
        seen: [],
        got: malformed(),
        end: 'fin',
      },
      {
        rfc: '9110 §6.5.1',
        what: 'trailers are never merged: they stay behind the body, and none of them says what only a head may',
        client: `${post('Transfer-Encoding: chunked', 'Trailer: x-sum')}2\r\nhi\r\n0\r\nX-Sum: 1\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nHost: b\r\nAuthorization: x\r\n\r\n`,
        seen: [
          `${head('POST / HTTP/1.1', 'Host: a', 'Trailer: x-sum', ...own('a'), 'Transfer-Encoding: chunked')}2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n`,
        ],
        got: emptied,
      },
      {
        rfc: '9110 §6.5.1',
        what: 'a trailer that says how the message is framed is refused',
        client: `${post('Transfer-Encoding: chunked')}2\r\nhi\r\n0\r\nContent-Length: 9\r\n\r\n`,
        seen: [],
        got: malformed(),
        end: 'fin',
      },
      {
        rfc: '9110 §6.5',
        what: 'trailers of a response',
        client: head('GET / HTTP/1.1', 'Host: a', 'TE: trailers', 'Connection: TE'),
        backend: [
          `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}2\r\nok\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=1\r\n\r\n`,
        ],
        seen: [get('/', 'TE: trailers').replace('\r\n\r\n', '\r\nconnection: te\r\n\r\n')],
        got: `${head('HTTP/1.1 200 OK', via, 'Transfer-Encoding: chunked', 'date: {date}')}2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n`,
      },
    ],
  },
  {
    number: 11,
    title: 'what ends early is never complete',
    cases: [
      {
        rfc: '9112 §8',
        what: 'a response of a length',
        client: ask,
        backend: [`${head('HTTP/1.1 200 OK', 'Content-Length: 10')}short{end}`],
        seen: [get('/')],
        got: `${head('HTTP/1.1 200 OK', via, 'Content-Length: 10', 'date: {date}')}short`,
        end: 'reset',
      },
      {
        rfc: '9112 §8',
        what: 'a chunked response: the last chunk never comes',
        client: ask,
        backend: [`${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}5\r\nshort\r\n{end}`],
        seen: [get('/')],
        got: `${head('HTTP/1.1 200 OK', via, 'Transfer-Encoding: chunked', 'date: {date}')}5\r\nshort\r\n`,
        end: 'reset',
      },
      {
        rfc: '9112 §8',
        what: 'a head',
        client: post('Content-Length: 0'),
        backend: ['HTTP/1.1 200 OK\r\nContent-Le{end}'],
        seen: [head('POST / HTTP/1.1', 'Host: a', ...own('a'), 'Content-Length: 0')],
        got: refusal('UC'),
      },
      {
        rfc: '9112 §6.3',
        what: 'a response that ends with its connection has ended well',
        client: ask,
        backend: [`${head('HTTP/1.1 200 OK')}all{end}`],
        seen: [get('/')],
        got: `${head('HTTP/1.1 200 OK', via, 'transfer-encoding: chunked', 'date: {date}')}3\r\nall\r\n0\r\n\r\n`,
      },
    ],
  },
]
