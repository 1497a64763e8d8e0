import type { SecureContext } from 'node:tls'
import type { ByteReceiver } from './byte-stream.ts'
import type { RawSocket } from './raw-socket.ts'
import { RawTls, type TlsHandle } from './raw-tls.ts'
import { bindingOf, type TcpHandle } from './tcp-binding.ts'

/** What a server's handshake may agree on. Clients are not asked for certificates. */
export interface RawHandshake {
  readonly context: SecureContext
  /** An OCSP response (DER), for clients that ask for it. */
  readonly staple?: Buffer | undefined
  /** Protocols in the order of preference. */
  readonly alpn?: readonly string[] | undefined
}

/** What a handshake has settled, to be read from its handle. */
export interface HandshakeHandle extends TlsHandle {
  _secureContext: SecureContext
  getCipher(): { readonly name: string }
  /** `false` or empty: none has been agreed on. */
  getALPNNegotiatedProtocol(): string | false
  isSessionReused(): boolean
  setALPNProtocols(protocols: Uint8Array): void
  setOCSPResponse(response: Buffer): void
  receive(bytes: Buffer): void
}

interface TlsBinding {
  wrap(below: TcpHandle, context: unknown, isServer: boolean, hasWrites: boolean): HandshakeHandle
}

const binding = bindingOf<TlsBinding>('tls_wrap')

/** Whether node has the layer under its TLS sockets where this one looks for it. */
export const hasTlsLayer: boolean = typeof binding?.wrap === 'function'

/** Less than node's first memory for what a TLS connection receives: when that is full node adds 16 KB and keeps them. */
const largestPiece = 1000

/** A server's handshake on a raw connection, without the socket of node, which costs a tenth of a resumed handshake. */
export class ServerHandshake {
  readonly stream: RawTls
  readonly handle: HandshakeHandle

  /**
   * The handshake begins with `feed`.
   *
   * @param below without a receiver, nothing unsent; it is closed from then on
   * @param receiver is told when the connection ends before the handshake does: by FIN, alert or failure
   * @param onDone the handshake is complete. The stream has no receiver any more.
   */
  constructor(below: RawSocket, how: RawHandshake, receiver: ByteReceiver, onDone: () => void) {
    const tcp = below.release()
    // A context of node holds that of OpenSSL.
    const { context } = how.context as unknown as { context: unknown }
    const handle = binding!.wrap(tcp, context, true, false)
    this.handle = handle
    // As node does: what is in use must not be collected.
    Object.assign(handle, { _parent: tcp, _secureContext: how.context })
    if (how.alpn !== undefined) handle.setALPNProtocols(wireFormat(how.alpn))
    if (how.staple !== undefined) handle.setOCSPResponse(how.staple)
    const stream = new RawTls(handle, () => {
      stream.leave()
      onDone()
    })
    this.stream = stream
    stream.start(receiver)
  }

  /** What has been read from the connection before. */
  feed(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && this.stream.isOpen; at += largestPiece) {
      this.handle.receive(bytes.subarray(at, at + largestPiece))
    }
  }
}

const wireFormats = new Map<string, Uint8Array>()

/** RFC 7301 §3.1. */
function wireFormat(protocols: readonly string[]): Uint8Array {
  const key = protocols.join()
  let bytes = wireFormats.get(key)
  if (bytes === undefined) {
    bytes = Buffer.concat(protocols.map((name) => Buffer.from(`${String.fromCharCode(name.length)}${name}`, 'latin1')))
    wireFormats.set(key, bytes)
  }
  return bytes
}
