import { describe, expect, test } from 'vitest'
import { raw } from '../helpers/client.ts'
import { arena } from './harness.ts'
import { expectUnharmed, underAttack } from './siege.ts'

const inherited = ['constructor', '__proto__', 'toString', 'valueOf', 'hasOwnProperty']

interface Seen {
  readonly known: (string | null)[]
  readonly own: string[]
  readonly named: (string | null)[][]
}

describe('names that every object answers to', () => {
  test('as a token they are nobody’s, wherever it comes from', async () => {
    const ring = await arena(['careless'], { options: { careless: { keys: { abc: 'alice' } } } })
    const siege = await underAttack(ring, () =>
      Promise.all(
        inherited.map((token) =>
          ring.bad('careless', `/?token=${token}`, { headers: { 'x-token': token, cookie: `token=${token}` } }),
        ),
      ),
    )
    for (const answer of siege.result) {
      expect(JSON.parse(answer.body)).toMatchObject({ known: [null, null, null], own: ['abc'] })
    }
    expectUnharmed('inherited names as tokens', siege, `${inherited.length} × 3 of them unknown`)
  })

  test('as the name of a header, a cookie or a parameter they are names like any other', async () => {
    const ring = await arena(['careless'])
    const none = await ring.bad('careless')
    expect((JSON.parse(none.body) as Seen).named.flat()).toEqual(Array(15).fill(null))
    // Header by header, as it is: Node would not send these.
    const text = await raw(
      ring.port,
      [
        'GET /bad/careless/?constructor=q1&__proto__=q2&toString=q3 HTTP/1.1',
        'host: a',
        'connection: close',
        'constructor: h1',
        '__proto__: h2',
        'toString: h3',
        'cookie: constructor=c1; __proto__=c2; toString=c3',
        '\r\n',
      ].join('\r\n'),
    )
    expect(text).toContain('HTTP/1.1 200')
    const seen = JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as Seen
    expect(seen.named.slice(0, 3)).toEqual([
      ['h1', 'c1', 'q1'],
      ['h2', 'c2', 'q2'],
      ['h3', 'c3', 'q3'],
    ])
    expect(seen.named.slice(3).flat()).toEqual(Array(6).fill(null))
  })

  test('as an option they are keys like any other', async () => {
    const keys = JSON.parse('{"constructor":"alice","__proto__":"bob","toString":"carol"}') as Record<string, string>
    const ring = await arena(['careless'], { options: { careless: { keys } } })
    const tokens = ['constructor', '__proto__', 'toString', 'valueOf']
    const answers = await Promise.all(
      tokens.map((token) => ring.bad('careless', '/', { headers: { 'x-token': token } })),
    )
    const seen = answers.map(({ body }) => JSON.parse(body) as Seen)
    expect(seen.map(({ known }) => known[0])).toEqual(['alice', 'bob', 'carol', null])
    expect(seen[0]!.own.sort()).toEqual(['__proto__', 'constructor', 'toString'])
  })
})

test('bytes that are no request are refused, and touch nobody', async () => {
  const ring = await arena([])
  const head = 'GET /good/raw HTTP/1.1\r\nhost: a\r\n'
  const nonsense = [
    '\0\0\0\0\r\n\r\n',
    'GET\r\n\r\n',
    `${head}x: a\0b\r\n\r\n`,
    `${head}x : a\r\n\r\n`,
    `${head}content-length: 1\r\ncontent-length: 2\r\n\r\nab`,
    `${head}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${head}transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n`,
    `${head}x: ${'a'.repeat(100_000)}\r\n\r\n`,
    'GET /good/../../secret HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
    'GET /good/%00 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ]
  const siege = await underAttack(ring, () => Promise.all(nonsense.map((bytes) => raw(ring.port, bytes))))
  for (const [i, text] of siege.result.entries()) {
    expect(text, JSON.stringify(nonsense[i]!.slice(0, 60))).toMatch(/^(HTTP\/1\.1 4\d\d |$)/)
  }
  expectUnharmed('bytes that are no request', siege, `${nonsense.length} of ${nonsense.length} refused`)
})
