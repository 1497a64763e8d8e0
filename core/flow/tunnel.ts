import { PosternError } from '../errors.ts'
import type { Exchange, HttpVersion } from '../http/exchange.ts'
import type { Fields } from '../http/fields.ts'
import { acceptOf, isWebSocket, newKey } from '../http/websocket.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import { type Pipe, pipe } from '../upstream/pipe.ts'
import type { Bodies } from './bodies.ts'

/**
 * A request whose backend agreed to an upgrade. The backend's stream stays paused until the policies have seen the 101; then
 * bytes go both ways, and policies do not see them.
 */
export class Tunnel {
  readonly #backend: ByteStream
  #pipe: Pipe | undefined

  /** @param backend as `UpstreamOwner.onUpgrade` is given it. */
  constructor(backend: ByteStream) {
    this.#backend = backend
  }

  get isOpen(): boolean {
    return this.#pipe !== undefined
  }

  /**
   * Answers the client with a 101 and these fields, and starts to forward bytes.
   *
   * @param idle longest silence in both directions, ms
   * @param onEnd called once, when both sides are closed and their bytes are counted in the exchange
   */
  open(exchange: Exchange, fields: Fields, idle: number, onEnd: (error: PosternError | undefined) => void): void {
    const client = exchange.switchProtocols(exchange.upgrade ?? '', fields)
    if (client === undefined) return this.close()
    this.#pipe = pipe(client, this.#backend, {
      idle,
      onEnd: ({ bytesIn, bytesOut, error }) => {
        exchange.bytesIn += bytesIn
        exchange.bytesOut += bytesOut
        onEnd(error)
      },
    })
  }

  /** Ends it: both sides when it is open (`SD`), else the backend's connection. */
  close(): void {
    if (this.#pipe === undefined) this.#backend.destroy()
    else this.#pipe.close()
  }
}

/** Protocols whose tunnels would carry requests that no route and no policy sees. */
const unseen = new Set(['h2c', 'h2', 'http', 'tls'])

/**
 * What the backend is asked to switch to when the client asks for an upgrade (RFC 9110 §7.8); `undefined`: nothing, the
 * request is an ordinary one. A list of protocols is not passed on, so that both sides can only mean the same one.
 * Nor is the upgrade of a request whose own body a policy has replaced before it arrived: what is left of it would be taken for
 * the first bytes of the tunnel.
 */
export function upgradeOffer({ upgrade }: Exchange, bodies: Bodies): string | undefined {
  if (upgrade === undefined || (bodies.replacedLength !== undefined && !bodies.hasArrived)) return undefined
  const [, name] = /^([\w!#$%&'*+.^`|~-]+)(?:\/[\w!#$%&'*+.^`|~-]+)?$/.exec(upgrade) ?? []
  return name === undefined || unseen.has(name.toLowerCase()) ? undefined : upgrade
}

/** Adds the key of a WebSocket that a backend over HTTP/1.1 asks for, and a client over HTTP/2 does not send (RFC 8441 §5). */
export function addKey({ version, fields }: Exchange, upgrade: string | undefined): void {
  if (version === '2' && isWebSocket(upgrade)) fields.put('sec-websocket-key', newKey())
}

/**
 * Judges the proof that a backend over HTTP/1.1 has given to the key of `addKey`, and gives it to a client whose backend had none to
 * give.
 *
 * @param fields of the 101
 * @param version of the backend
 * @returns why there is no tunnel
 */
export function agreement(exchange: Exchange, fields: Fields, version: HttpVersion): PosternError | undefined {
  const key = exchange.fields.get('sec-websocket-key')
  if (key === undefined || !isWebSocket(exchange.upgrade) || (version === '2') === (exchange.version === '2'))
    return undefined
  if (version === '2') {
    fields.put('sec-websocket-accept', acceptOf(key))
    return undefined
  }
  if (fields.get('sec-websocket-accept') !== acceptOf(key)) {
    return new PosternError('UPE', 'the backend agreed to a WebSocket with a wrong sec-websocket-accept, or none')
  }
  fields.delete('sec-websocket-accept')
  return undefined
}

/** A client over HTTP/2 would take any status of 2xx for the beginning of its tunnel (RFC 8441 §5). */
export function missedSwitch({ version, upgrade }: Exchange, status: number): PosternError | undefined {
  if (upgrade === undefined || version !== '2' || status < 200 || status > 299) return undefined
  return new PosternError('UPE', `the backend answered ${status} instead of switching to ${upgrade}`)
}
