import type { Socket } from 'node:net'

/** What a client of PostgreSQL sends before its first message when it wants encryption: length and code. */
const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
/** The same for encryption by GSSAPI, which this gateway has not. */
const gssRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30])

const yes = 0x53
const no = 0x4e

/** Longest request for encryption, and shortest first message, bytes. */
export const requestLength = 8

/** What the first bytes of a client ask for; `undefined` while they are too few to tell. */
export function requestOf(bytes: Uint8Array): 'tls' | 'gss' | 'nothing' | undefined {
  const first = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, requestLength))
  const isTls = sslRequest.subarray(0, first.length).equals(first)
  const isGss = gssRequest.subarray(0, first.length).equals(first)
  if (!isTls && !isGss) return 'nothing'
  if (first.length < requestLength) return undefined
  return isTls ? 'tls' : 'gss'
}

/**
 * Asks a backend for TLS. `done` is called once; the socket then has no listeners of this function, is paused, and has no bytes
 * that were read: what a third party sends in clear behind the backend's answer is never taken for a part of what is encrypted
 * (CVE-2021-23222).
 *
 * @param done with why there is no TLS
 */
export function requestTls(socket: Socket, done: (problem: string | undefined) => void): void {
  const settle = (problem: string | undefined): void => {
    socket.off('data', answered).off('end', ended).off('error', failed).pause()
    done(problem)
  }
  const answered = (bytes: Buffer): void => settle(problemOf(bytes))
  const ended = (): void => settle('the backend closed the connection instead of answering the request for TLS')
  const failed = ({ code, message }: NodeJS.ErrnoException): void => {
    settle(`the connection failed before the answer to the request for TLS: ${code ?? message}`)
  }
  socket.on('data', answered).on('end', ended).on('error', failed)
  socket.write(sslRequest)
}

function problemOf(answer: Buffer): string | undefined {
  if (answer[0] === no) return 'the backend does not offer TLS (it answered SSLRequest with N)'
  // The text of an error is anybody's before the handshake (CVE-2024-10977).
  if (answer[0] !== yes) return 'the backend does not answer SSLRequest as PostgreSQL does'
  return answer.length === 1 ? undefined : 'bytes in clear followed the answer to the request for TLS'
}

/**
 * Answers `N` to a client that asks for encryption, until it begins without.
 *
 * @returns takes the bytes of the client, which are copied; returns the first bytes of the protocol, or `undefined` while the
 *   client still asks. Throws when it does not wait for the answer.
 */
export function refuseEncryption(answer: (bytes: Uint8Array) => void): (bytes: Buffer) => Buffer | undefined {
  let held = nothing
  return (bytes) => {
    held = Buffer.concat([held, bytes])
    const request = requestOf(held)
    if (request === 'nothing') return held
    if (request === undefined) return undefined
    if (held.length > requestLength) throw new Error('bytes followed the request for encryption before its answer')
    held = nothing
    answer(Buffer.from([no]))
    return undefined
  }
}

export const nothing: Buffer = Buffer.alloc(0)
