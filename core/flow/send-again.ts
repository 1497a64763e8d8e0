import type { PosternError } from '../errors.ts'
import type { Exchange } from '../http/exchange.ts'
import type { BodyPath } from './body-path.ts'

/** Methods that may be sent again when a kept-alive connection turns out to be dead (RFC 9110 §9.2.2). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/** Whether a request that met a dead connection may go out once more: without a body, and meaning the same twice. */
export function maySendAgain({ code }: PosternError, exchange: Exchange, body: BodyPath): boolean {
  if (code !== 'UC' && code !== 'UR') return false
  return idempotent.has(exchange.method) && !exchange.hasBody && body.replacedLength === undefined
}
