import { expect, test } from 'vitest'
import { acceptOf, isWebSocket, newKey } from '../../core/http/websocket.ts'

test('the accept of a key is that of the example in RFC 6455 §1.3', () => {
  expect(acceptOf('dGhlIHNhbXBsZSBub25jZQ==')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
})

test('a key is 16 bytes in base64, and differs each time', () => {
  expect(newKey()).toMatch(/^[\w+/]{22}==$/)
  expect(newKey()).not.toBe(newKey())
})

test.each([
  ['websocket', true],
  ['WebSocket', true],
  ['websockets', false],
  ['h2c', false],
  [undefined, false],
])('the protocol %s is that of a WebSocket: %s', (protocol, is) => {
  expect(isWebSocket(protocol)).toBe(is)
})
