import { connect, createSecureContext, type TLSSocket } from 'node:tls'
import type { ByteReceiver } from './byte-stream.ts'
import { hasTlsLayer, ServerHandshake } from './raw-handshake.ts'
import { RawSocket } from './raw-socket.ts'
import type { RawTls } from './raw-tls.ts'
import { type TcpBinding, type TcpHandle, tcp } from './tcp-binding.ts'
import { WheelTimer } from './timer-wheel.ts'

/** Longest time that the check may take, ms; it takes some 10. Time in which the process does not run does not count. */
const limit = 2000

/** Never used without a binding: see `raw-check.ts`. */
const { TCP, constants } = (tcp ?? {}) as TcpBinding

let isPassed = false

/** Whether servers may make handshakes with `ServerHandshake`. */
export function isRawHandshakeUsable(): boolean {
  return isPassed
}

/**
 * Tries out handshakes on raw sockets on two loopback connections: one that succeeds, and bytes that are no TLS. Called once
 * in a process, when `RawTls` and `RawSocket` have passed. If it fails, sockets of node make all handshakes.
 *
 * @returns why they cannot be used; `undefined` when they can
 */
export async function checkRawHandshake(): Promise<string | undefined> {
  if (!hasTlsLayer) return 'node has no TLS layer'
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = new WheelTimer({ onTimeout: () => reject(new Error(`no handshake after ${limit} ms`)) })
  timer.arm(limit)
  const opened: { destroy(): unknown }[] = []
  try {
    handshakes(opened, reject).then(resolve, reject)
    await promise
    isPassed = true
    return undefined
  } catch (error) {
    return `handshake: ${error instanceof Error ? error.message : error}`
  } finally {
    timer.disarm()
    for (const one of opened) one.destroy()
  }
}

async function handshakes(opened: { destroy(): unknown }[], reject: (error: Error) => void): Promise<void> {
  // Without certificates, which only anonymous ciphers do: they are for this context, which serves no client.
  const options = { ciphers: 'AECDH-AES128-SHA:@SECLEVEL=0', maxVersion: 'TLSv1.2' } as const
  const context = createSecureContext({ ...options, ca: [] })
  const answer = Promise.withResolvers<string>()
  const failure = Promise.withResolvers<string | undefined>()
  let count = 0
  const port = listen(opened, (handle) => {
    const below = new RawSocket(handle)
    const isGood = count++ === 0
    const closed = new Ends((cause) => (isGood ? reject(new Error(cause)) : failure.resolve(cause)))
    const handshake = new ServerHandshake(below, { context, alpn: ['check'] }, closed, () => {
      const { stream } = handshake
      stream.start(new Echo(stream, reject))
    })
    opened.push(handshake.stream)
    if (!isGood) handshake.feed(Buffer.from('GET / HTTP/1.1\r\n\r\n'))
  })
  const client: TLSSocket = connect({
    ...options,
    ...{ host: '127.0.0.1', port, ca: [], ALPNProtocols: ['check'], rejectUnauthorized: false },
  })
  opened.push(client)
  client.once('error', reject)
  client.once('data', (bytes: Buffer) => answer.resolve(`${bytes} ${client.alpnProtocol}`))
  client.write('bytes')
  const received = await answer.promise
  if (received !== 'bytes check') throw new Error(`received ${JSON.stringify(received)}`)
  const other = new TCP(constants.SOCKET)
  const request = new (tcp as TcpBinding).TCPConnectWrap()
  other.connect(request, '127.0.0.1', port)
  opened.push(new RawSocket(other))
  const cause = await failure.promise
  if (cause?.startsWith('ERR_SSL_') !== true) throw new Error(`bytes that are no TLS ended with ${cause}`)
}

function listen(opened: { destroy(): unknown }[], accepted: (handle: TcpHandle) => void): number {
  const server = new TCP(constants.SERVER)
  opened.push({ destroy: () => server.close() })
  const address = { port: 0 }
  server.onconnection = (_status, handle) => handle && accepted(handle)
  const statuses = [server.bind('127.0.0.1', 0, 0), server.listen(8), server.getsockname(address)]
  if (statuses.some((status) => status !== 0)) throw new Error(`cannot listen: ${statuses}`)
  return address.port
}

/** Tells how a handshake has ended before it was complete. */
class Ends implements ByteReceiver {
  readonly #ended: (cause: string | undefined) => void

  constructor(ended: (cause: string | undefined) => void) {
    this.#ended = ended
  }

  onBytes(): boolean {
    return true
  }
  onDrain(): void {}
  onEnd(): void {
    this.#ended('an end')
  }
  onError(cause: NodeJS.ErrnoException): void {
    this.#ended(cause.code)
  }
  onClose(): void {
    this.#ended('a close')
  }
}

class Echo implements ByteReceiver {
  readonly #stream: RawTls
  readonly #fail: (error: Error) => void

  constructor(stream: RawTls, fail: (error: Error) => void) {
    this.#stream = stream
    this.#fail = fail
  }

  onBytes(bytes: Buffer): boolean {
    this.#stream.writeBorrowed(bytes)
    return true
  }
  onDrain(): void {}
  onEnd(): void {}
  onError(cause: Error): void {
    this.#fail(cause)
  }
  onClose(): void {}
}
