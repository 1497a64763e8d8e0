import { describe, expect, test } from 'vitest'
import { addKey, agreement, missedSwitch } from '../../core/flow/tunnel.ts'
import type { Exchange, HttpVersion } from '../../core/http/exchange.ts'
import { Fields } from '../../core/http/fields.ts'
import { acceptOf } from '../../core/http/websocket.ts'

/** What the functions read of an exchange. */
function exchangeOf(version: HttpVersion, upgrade: string | undefined, list: string[] = []): Exchange {
  return { version, upgrade, fields: new Fields(list) } as unknown as Exchange
}

const proof = (key: string): Fields => new Fields(['sec-websocket-accept', acceptOf(key), 'x-a', 'b'])

describe('a WebSocket from HTTP/2 to HTTP/1.1', () => {
  function withKey(): { exchange: Exchange; key: string } {
    const exchange = exchangeOf('2', 'websocket', ['sec-websocket-key', 'of the client'])
    addKey(exchange, 'websocket')
    return { exchange, key: exchange.fields.get('sec-websocket-key')! }
  }

  test('gets a key, whose proof is judged and does not reach the client', () => {
    const { exchange, key } = withKey()
    expect(key).toMatch(/==$/)
    const fields = proof(key)
    expect(agreement(exchange, fields, '1.1')).toBeUndefined()
    expect(fields.list).toEqual(['x-a', 'b'])
  })

  test.each([
    ['none', new Fields()],
    ['that of another key', proof('of the client')],
  ])('fails with a proof that is wrong: %s', (_, fields) => {
    const { exchange } = withKey()
    expect(agreement(exchange, fields, '1.1')).toMatchObject({ code: 'UPE' })
  })
})

test('a WebSocket from HTTP/1.1 to HTTP/2 gets the proof that its backend cannot give', () => {
  const exchange = exchangeOf('1.1', 'WebSocket', ['sec-websocket-key', 'k'])
  const fields = new Fields()
  expect(agreement(exchange, fields, '2')).toBeUndefined()
  expect(fields.list).toEqual(['sec-websocket-accept', acceptOf('k')])
})

test.each([
  ['1.1', '1.1', 'websocket'],
  ['2', '2', 'websocket'],
  ['2', '1.1', 'other'],
] as const)('from HTTP/%s to HTTP/%s with the protocol %s nothing is judged or changed', (client, backend, upgrade) => {
  const exchange = exchangeOf(client, upgrade, ['sec-websocket-key', 'k'])
  const fields = proof('another')
  const before = [...fields.list]
  expect(agreement(exchange, fields, backend)).toBeUndefined()
  expect(fields.list).toEqual(before)
})

test.each([
  ['1.1', 'websocket'],
  ['2', undefined],
] as const)('over HTTP/%s with the protocol %s no key is added', (version, upgrade) => {
  const exchange = exchangeOf(version, upgrade)
  addKey(exchange, upgrade)
  expect(exchange.fields.list).toEqual([])
})

test.each([
  ['2', 'websocket', 200, true],
  ['2', 'websocket', 204, true],
  ['2', 'websocket', 101, false],
  ['2', 'websocket', 403, false],
  ['2', undefined, 200, false],
  ['1.1', 'websocket', 200, false],
] as const)('over HTTP/%s with the protocol %s the status %i is refused: %s', (version, upgrade, status, is) => {
  expect(missedSwitch(exchangeOf(version, upgrade), status) !== undefined).toBe(is)
})
