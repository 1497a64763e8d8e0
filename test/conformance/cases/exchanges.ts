import type { Case, Duty } from '../case.ts'
import { emptied, empty, get, head, malformed, own, refusal } from '../text.ts'

const via = 'via: 1.1 {gateway}'
const ask = head('GET / HTTP/1.1', 'Host: a')
const upgrade = ['Connection: Upgrade', 'Upgrade: websocket']
const closing = emptied.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n')

function host(what: string, ...lines: string[]): Case {
  return { rfc: '9112 §3.2', what, client: head('GET / HTTP/1.1', ...lines), seen: [], got: refusal('DPE'), end: 'fin' }
}

/** How requests are sent, sent again, answered and refused. */
export const exchanges: readonly Duty[] = [
  {
    number: 4,
    title: 'Expect and interim responses',
    cases: [
      {
        rfc: '9110 §10.1.1',
        what: 'the expectation goes on, and the 100 that the client gets is the backend’s',
        client: head('PUT / HTTP/1.1', 'Host: a', 'Expect: 100-continue', 'Content-Length: 5'),
        later: [{ after: '100 Continue\r\n\r\n', send: 'hello' }],
        atHead: head('HTTP/1.1 100 Continue'),
        seen: [`${head('PUT / HTTP/1.1', 'host: a', 'expect: 100-continue', ...own('a'), 'content-length: 5')}hello`],
        got: head('HTTP/1.1 100 Continue') + emptied,
      },
      {
        rfc: '9110 §10.1.1',
        what: 'a backend that refuses is not sent the body, and the client is told so',
        client: head('PUT / HTTP/1.1', 'Host: a', 'Expect: 100-continue', 'Content-Length: 5'),
        atHead: head('HTTP/1.1 413 Content Too Large', 'Content-Length: 0'),
        seen: [head('PUT / HTTP/1.1', 'host: a', 'expect: 100-continue', ...own('a'), 'content-length: 5')],
        got: head('HTTP/1.1 413 Content Too Large', via, 'content-length: 0', 'date: {date}', 'connection: close'),
        end: 'fin',
      },
      {
        rfc: '9110 §10.1.1',
        what: 'another expectation',
        client: `${head('PUT / HTTP/1.1', 'Host: a', 'Expect: tea', 'Content-Length: 5')}hello`,
        seen: [],
        got: malformed(417),
        end: 'fin',
      },
      {
        rfc: '9110 §15.2',
        what: 'every interim response goes on, with its fields',
        client: ask,
        backend: [
          head('HTTP/1.1 103 Early Hints', 'Link: </a.css>', 'Connection: x-hop', 'X-Hop: 1') +
            head('HTTP/1.1 102 Processing') +
            head('HTTP/1.1 199 ') +
            empty,
        ],
        seen: [get('/')],
        got:
          head('HTTP/1.1 103 Early Hints', 'link: </a.css>') +
          head('HTTP/1.1 102 Processing') +
          head('HTTP/1.1 199 ') +
          emptied,
      },
      {
        rfc: '9110 §15.2',
        what: 'but none to an HTTP/1.0 client',
        client: head('GET / HTTP/1.0', 'Host: a'),
        backend: [head('HTTP/1.1 103 Early Hints', 'Link: </a.css>') + empty],
        seen: [head('GET / HTTP/1.1', 'host: a', ...own('a', '1.0 {gateway}'))],
        got: closing,
        end: 'fin',
      },
    ],
  },
  {
    number: 5,
    title: 'nothing is sent twice that must not be, and no tunnels',
    cases: [
      {
        rfc: '9112 §9.3.1',
        what: 'an idempotent request meets a dead connection: it is sent again',
        client: ask,
        later: [{ after: 'date', send: head('GET /2 HTTP/1.1', 'Host: a') }],
        backend: [empty, '{reset}', empty],
        seen: [`${get('/')}${get('/2')}`, get('/2')],
        got: emptied + emptied,
      },
      ...['POST', 'PATCH', 'LOCK'].map((method) => ({
        rfc: '9110 §9.2.2',
        what: `${method} is not`,
        client: ask,
        later: [{ after: 'date', send: head(`${method} /2 HTTP/1.1`, 'Host: a') }],
        backend: [empty, '{end}', empty],
        seen: [`${get('/')}${head(`${method} /2 HTTP/1.1`, 'host: a', ...own('a'))}`],
        got: emptied + refusal('UC'),
      })),
      {
        rfc: '9110 §9.2.2',
        what: 'a backend that not a byte was sent to is passed over, whatever the method',
        config: { upstreams: { app: { backends: [{ address: '127.0.0.1:1' }, { address: '127.0.0.1:{backend}' }] } } },
        client: head('POST /1 HTTP/1.1', 'Host: a'),
        later: [{ after: 'date', send: head('POST /2 HTTP/1.1', 'Host: a') }],
        seen: [['/1', '/2'].map((path) => head(`POST ${path} HTTP/1.1`, 'host: a', ...own('a'))).join('')],
        got: emptied + emptied,
      },
      {
        rfc: '9110 §9.3.6',
        what: 'CONNECT is refused, and what comes behind it is no request',
        client: `${head('CONNECT a:80 HTTP/1.1', 'Host: a:80')}${ask}`,
        seen: [],
        got: refusal('DPE', { status: 501 }),
        end: 'fin',
      },
    ],
  },
  {
    number: 8,
    title: 'Host',
    cases: [
      host('missing'),
      host('missing in HTTP/1.1, though the target has none either', 'X: 1'),
      host('repeated', 'Host: a', 'Host: b'),
      host('repeated, the same', 'Host: a', 'host: a'),
      host('empty', 'Host: '),
      host('with user information', 'Host: u@a'),
      host('with a path', 'Host: a/b'),
      host('with a comma', 'Host: a,b'),
      host('with a port that is none', 'Host: a:x'),
      host('with a space', 'Host: a b'),
      host('percent-encoded', 'Host: a%62'),
      {
        rfc: '9112 §3.2.2',
        what: 'absolute-form wins over Host',
        client: head('GET http://B:8080/x?y HTTP/1.1', 'Host: a'),
        seen: [head('GET /x?y HTTP/1.1', 'host: b:8080', ...own('b:8080'))],
        got: emptied,
      },
      {
        rfc: '9112 §3.2.2',
        what: 'absolute-form does not do without Host',
        client: head('GET http://a/ HTTP/1.1'),
        seen: [],
        got: refusal('DPE'),
        end: 'fin',
      },
      {
        rfc: '9110 §4.2.4',
        what: 'absolute-form with user information',
        client: head('GET http://u@a/ HTTP/1.1', 'Host: a'),
        seen: [],
        got: malformed(),
        end: 'fin',
      },
      ...['*', 'http://a', 'HTTP://a'].map((target) => ({
        rfc: '9112 §3.2.4',
        what: `OPTIONS ${target}`,
        client: head(`OPTIONS ${target} HTTP/1.1`, 'Host: a'),
        seen: [head('OPTIONS * HTTP/1.1', 'host: a', ...own('a'))],
        got: emptied,
      })),
      {
        rfc: '9112 §3.2.4',
        what: 'OPTIONS of an absolute URL with a path or query is about that',
        client: `${head('OPTIONS http://a/ HTTP/1.1', 'Host: a')}${head('OPTIONS http://a?b HTTP/1.1', 'Host: a')}`,
        seen: [['/', '/?b'].map((target) => head(`OPTIONS ${target} HTTP/1.1`, 'host: a', ...own('a'))).join('')],
        got: emptied + emptied,
      },
      {
        rfc: '9110 §7.6.2',
        what: 'OPTIONS * at its last hop',
        client: head('OPTIONS * HTTP/1.1', 'Host: a', 'Max-Forwards: 0'),
        config: { routes: { all: { match: { methods: ['OPTIONS'] } } } },
        seen: [],
        got: head('HTTP/1.1 200 OK', 'allow: OPTIONS', 'content-length: 0', 'date: {date}'),
      },
      {
        rfc: '9112 §3.2.4',
        what: '* is for OPTIONS alone',
        client: head('GET * HTTP/1.1', 'Host: a'),
        seen: [],
        got: refusal('DPE'),
        end: 'fin',
      },
    ],
  },
  {
    number: 9,
    title: 'versions and persistence',
    cases: [
      {
        rfc: '9112 §9.3',
        what: 'an HTTP/1.0 client is answered in HTTP/1.1, and its connection ends',
        client: head('GET / HTTP/1.0', 'Host: a'),
        seen: [head('GET / HTTP/1.1', 'host: a', ...own('a', '1.0 {gateway}'))],
        got: closing,
        end: 'fin',
      },
      {
        rfc: '9112 §9.3',
        what: 'unless it asks for more',
        client: head('GET / HTTP/1.0', 'Host: a', 'Connection: Keep-Alive'),
        seen: [head('GET / HTTP/1.1', 'host: a', ...own('a', '1.0 {gateway}'))],
        got: emptied.replace('\r\n\r\n', '\r\nconnection: keep-alive\r\n\r\n'),
      },
      {
        rfc: '9112 §7',
        what: 'it is sent no chunks: the body ends with the connection',
        client: head('GET / HTTP/1.0', 'Host: a', 'Connection: Keep-Alive'),
        backend: [`${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}2\r\nok\r\n0\r\n\r\n`],
        seen: [head('GET / HTTP/1.1', 'host: a', ...own('a', '1.0 {gateway}'))],
        got: `${head('HTTP/1.1 200 OK', via, 'date: {date}', 'connection: close')}ok`,
        end: 'fin',
      },
      {
        rfc: '9110 §6.2',
        what: 'the answer of an HTTP/1.0 backend is HTTP/1.1 to the client, and its connection is not used again',
        client: ask,
        later: [{ after: 'ok', send: head('GET /2 HTTP/1.1', 'Host: a') }],
        backend: [`${head('HTTP/1.0 200 OK', 'Content-Length: 2')}ok`, empty],
        seen: [get('/'), get('/2')],
        got: `${head('HTTP/1.1 200 OK', 'via: 1.0 {gateway}', 'content-length: 2', 'date: {date}')}ok${emptied}`,
      },
      {
        rfc: '9112 §9.6',
        what: 'a client that says close gets it',
        client: head('GET / HTTP/1.1', 'Host: a', 'Connection: close'),
        seen: [get('/')],
        got: closing,
        end: 'fin',
      },
      ...['HTTP/2.0', 'HTTP/1.2', 'HTTP/0.9'].map((version) => ({
        rfc: '9110 §2.5',
        what: version,
        client: head(`GET / ${version}`, 'Host: a'),
        seen: [],
        got: malformed(505),
        end: 'fin' as const,
      })),
      {
        rfc: '9110 §9.1',
        what: 'a method that nobody knows',
        client: head('FROB / HTTP/1.1', 'Host: a'),
        seen: [],
        got: malformed(501),
        end: 'fin',
      },
      {
        rfc: '9110 §9.3.2',
        what: 'HEAD: the length of what would have come, and no body',
        client: head('HEAD / HTTP/1.1', 'Host: a'),
        later: [{ after: 'date', send: ask }],
        backend: [head('HTTP/1.1 200 OK', 'Content-Length: 1000'), empty],
        seen: [`${head('HEAD / HTTP/1.1', 'host: a', ...own('a'))}${get('/')}`],
        got: head('HTTP/1.1 200 OK', via, 'content-length: 1000', 'date: {date}') + emptied,
      },
    ],
  },
  {
    number: 17,
    title: 'upgrades',
    cases: [
      {
        rfc: '9110 §7.8',
        what: 'a 101 that matches makes a tunnel',
        client: `${head('GET / HTTP/1.1', 'Host: a', ...upgrade, 'Sec-WebSocket-Key: x')}early`,
        later: [{ after: 'hello', send: 'ping' }],
        backend: [`${head('HTTP/1.1 101 Switching Protocols', ...upgrade, 'Sec-WebSocket-Accept: y')}hello`],
        seen: [
          `${get('/', 'sec-websocket-key: x').replace('\r\n\r\n', '\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')}earlyping`,
        ],
        got: `${head('HTTP/1.1 101 Switching Protocols', 'sec-websocket-accept: y', via, 'connection: upgrade', 'upgrade: websocket')}hello`,
      },
      {
        rfc: '9110 §7.8',
        what: 'a 200 is an answer like any other',
        client: head('GET / HTTP/1.1', 'Host: a', ...upgrade),
        later: [{ after: 'date', send: head('GET /2 HTTP/1.1', 'Host: a') }],
        seen: [`${get('/').replace('\r\n\r\n', '\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')}${get('/2')}`],
        got: emptied + emptied,
      },
      {
        rfc: '9110 §15.2.2',
        what: 'a 101 that nobody asked for',
        client: ask,
        backend: [head('HTTP/1.1 101 Switching Protocols', ...upgrade)],
        seen: [get('/')],
        got: refusal('UPE'),
      },
      {
        rfc: '9110 §7.8',
        what: 'a 101 to something else',
        client: head('GET / HTTP/1.1', 'Host: a', ...upgrade),
        backend: [head('HTTP/1.1 101 Switching Protocols', 'Connection: upgrade', 'Upgrade: tea')],
        seen: [get('/').replace('\r\n\r\n', '\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')],
        got: refusal('UPE'),
      },
      {
        rfc: '9110 §7.8',
        what: 'without Connection it is no upgrade',
        client: head('GET / HTTP/1.1', 'Host: a', 'Upgrade: websocket'),
        seen: [get('/')],
        got: emptied,
      },
      {
        rfc: '9113 §3.1',
        what: 'h2c goes no further',
        client: head(
          'GET / HTTP/1.1',
          'Host: a',
          'Connection: Upgrade, HTTP2-Settings',
          'Upgrade: h2c',
          'HTTP2-Settings: AAMAAABk',
        ),
        seen: [get('/')],
        got: emptied,
      },
    ],
  },
]
