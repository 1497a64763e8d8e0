import { nothing, requestLength, requestOf } from './postgres.ts'

/** What a client of PostgreSQL wants first. `direct`: it has begun with TLS, and did not ask before (libpq: `sslnegotiation=direct`). */
export type Encryption = 'tls' | 'direct' | 'clear' | { readonly problem: string }

/** First byte of a TLS connection: the type of a record with a handshake. */
const handshake = 22
const yes = Buffer.from('S')
const no = Buffer.from('N')

/** Reads whether a client asks for encryption as those of PostgreSQL do, and answers: yes to TLS, no to GSSAPI. */
export class EncryptionRequestReader {
  rest: Buffer = nothing
  readonly #answer: (bytes: Buffer) => void
  #hasAskedForGss = false

  /** @param answer writes to the client */
  constructor(answer: (bytes: Buffer) => void) {
    this.#answer = answer
  }

  push(bytes: Buffer): Encryption | undefined {
    this.rest = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes])
    const request = requestOf(this.rest)
    if (request === 'nothing') return this.rest[0] === handshake ? 'direct' : 'clear'
    // CVE-2021-23214: a third party sends them, to be taken for the first of the encrypted connection.
    if (this.rest.length > requestLength) return { problem: 'bytes in clear followed the request for encryption' }
    if (request === undefined) return undefined
    this.rest = nothing
    if (request === 'gss') return this.#refuseGss()
    this.#answer(yes)
    return 'tls'
  }

  #refuseGss(): Encryption | undefined {
    if (this.#hasAskedForGss) return { problem: 'the client asked for encryption by GSSAPI twice' }
    this.#hasAskedForGss = true
    this.#answer(no)
    return undefined
  }
}

/** What PostgreSQL sends to a client that it refuses (ErrorResponse). */
export function errorResponse(code: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`)
  const head = Buffer.alloc(5, 'E')
  head.writeInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
}
