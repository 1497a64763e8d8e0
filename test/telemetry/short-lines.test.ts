import { expect, test } from 'vitest'
import { shorten } from '../../core/telemetry/short-lines.ts'

const time = '2026-11-26T10:20:30.123Z'
const clock = new Date(time).toTimeString().slice(0, 8)

test.each([
  [
    {
      level: 'info',
      time,
      id: 'i',
      listener: 'web',
      client: '::1',
      port: 4000,
      serverName: 'a.test',
      alert: 'unknown_ca',
      outcome: 'DPE',
      cause: 'the client ended the TLS handshake: unknown_ca',
      ms: 3.21,
      msg: 'handshake',
    },
    'handshake web ::1 3.2 ms DPE: the client ended the TLS handshake: unknown_ca',
  ],
  [
    {
      level: 'info',
      time,
      id: 'i',
      listener: 'web',
      route: 'a',
      backend: '127.0.0.1:9101',
      client: '::1',
      method: 'GET',
      host: 'a.test',
      path: '/x',
      status: 200,
      outcome: '',
      ms: 3.21,
      phases: {},
      msg: 'request',
    },
    '200 GET a.test/x → 127.0.0.1:9101 3.2 ms',
  ],
  [
    {
      level: 'info',
      time,
      method: 'GET',
      host: 'a.test',
      path: '/x',
      status: 502,
      outcome: 'UF',
      cause: 'connection refused',
      ms: 12.6,
      msg: 'request',
    },
    '502 GET a.test/x 13 ms UF: connection refused',
  ],
  [
    { level: 'info', time, listener: 'db', client: '::1', port: 4, outcome: '', ms: 5, msg: 'connection' },
    'connection db ::1 5.0 ms',
  ],
  [
    { level: 'warn', time, upstream: 'app', why: 'no answer', msg: 'backend down' },
    'warn backend down upstream=app why="no answer"',
  ],
  [{ level: 'info', time, signal: 'SIGTERM', msg: 'draining' }, 'draining signal=SIGTERM'],
])('%j', (record, short) => {
  expect(shorten(JSON.stringify(record))).toBe(`${clock} ${short}`)
})

test('what a client sends gives no orders to the terminal', () => {
  expect(shorten(JSON.stringify({ msg: 'request', status: 400, cause: 'a\u001b[2Jb\u009bc\nd\u202ee' }))).toBe(
    '400 a\\u001b[2Jb\\u009bc d\\u202ee',
  )
  expect(shorten('not a \u001brecord')).toBe('not a \\u001brecord')
})
