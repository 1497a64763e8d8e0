import { createHash, randomBytes } from 'node:crypto'

// The handshake of RFC 6455 proves to each side that the other one means a WebSocket. Over HTTP/2 the extended CONNECT says it,
// and there is neither key nor proof (RFC 8441 §5): a gateway between the two versions does that part itself.

/** Whether the protocol of an upgrade is that of WebSockets. */
export function isWebSocket(protocol: string | undefined): boolean {
  return protocol !== undefined && protocol.length === 9 && protocol.toLowerCase() === 'websocket'
}

/** A `Sec-WebSocket-Key` (RFC 6455 §4.1). */
export function newKey(): string {
  return randomBytes(16).toString('base64')
}

/** The `Sec-WebSocket-Accept` that belongs to a key (RFC 6455 §4.2.2). */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`, 'latin1').digest('base64')
}
