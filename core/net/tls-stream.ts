import type { TLSSocket } from 'node:tls'
import type { ByteStream } from './byte-stream.ts'
import { DuplexStream } from './duplex-stream.ts'

/** A TLS connection whose handshake is complete, as a `ByteStream`. @param socket without listeners of others. */
export function streamOfTls(socket: TLSSocket): ByteStream {
  return new DuplexStream(socket)
}
