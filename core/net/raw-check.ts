import type { ByteReceiver } from './byte-stream.ts'
import { RawSocket } from './raw-socket.ts'
import { type TcpBinding, tcp } from './tcp-binding.ts'
import { WheelTimer } from './timer-wheel.ts'

/** Longest time that the check may take, ms; it takes 2 to 5. Time in which the process does not run does not count. */
const limit = 2000

/** What the client of the check sends: as text, as bytes, as both, and bytes that are overwritten immediately. */
const message = 'text bytes both borrowed'

let checking: Promise<string | undefined> | undefined
let isPassed = false

/** Whether connections may be `RawSocket`s: node has the binding, and it did what it should. */
export function areRawSocketsUsable(): boolean {
  return isPassed
}

/**
 * Tries out raw sockets on a loopback connection, once in a process: reading, all kinds of writes, of which the first are
 * asynchronous, both ends, and the closing. Until it has passed, and if it fails, all connections are sockets of node.
 *
 * @returns why they cannot be used; `undefined` when they can, or when the environment says not to use them
 */
export function checkRawSockets(): Promise<string | undefined> {
  checking ??= check()
  return checking
}

async function check(): Promise<string | undefined> {
  if (process.env.POSTERN_RAW_SOCKETS === '0') return undefined
  if (tcp === undefined) return 'this node has no binding to TCP'
  try {
    await exchange(tcp)
    isPassed = true
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function exchange({ TCP, TCPConnectWrap, constants }: TcpBinding): Promise<void> {
  const server = new TCP(constants.SERVER)
  const opened: RawSocket[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = new WheelTimer({ onTimeout: () => reject(new Error(`no end after ${limit} ms`)) })
  timer.arm(limit)
  /** Throws out of a callback of node would end the process. */
  const safely = (work: () => void): void => {
    try {
      work()
    } catch (error) {
      reject(error)
    }
  }
  safely(() => {
    demand(server.bind('127.0.0.1', 0, 0), 'bind')
    server.onconnection = (_status, handle) => {
      safely(() => {
        const socket = new RawSocket(handle!)
        opened.push(socket)
        socket.start(new Echo(socket, reject))
      })
    }
    demand(server.listen(8), 'listen')
    const address = { port: 0 }
    demand(server.getsockname(address), 'getsockname')
    const handle = new TCP(constants.SOCKET)
    const request = new TCPConnectWrap()
    const client = new RawSocket(handle)
    opened.push(client)
    request.oncomplete = (status) => {
      safely(() => {
        demand(status, 'connect')
        client.start(new Asking(client, resolve, reject))
      })
    }
    demand(handle.connect(request, '127.0.0.1', address.port), 'connect')
    demand(handle.setNoDelay(true), 'setNoDelay')
    // The connection is not established yet, so these cannot be synchronous.
    client.writeText('text ')
    if (client.unsent === 0) throw new Error('a write on a connection that is not established was not queued')
    client.write(Buffer.from('bytes '))
    client.writeBoth('bo', Buffer.from('th '))
    const borrowed = Buffer.from('borrowed')
    client.writeBorrowed(borrowed)
    borrowed.fill(0)
    client.askDrain()
  })
  return promise.finally(() => {
    timer.disarm()
    server.close()
    for (const socket of opened) socket.destroy()
  })
}

function demand(status: number | undefined, what: string): void {
  if (status !== 0) throw new Error(`${what}: ${status}`)
}

/** Sends back what it receives, and the end. */
class Echo implements ByteReceiver {
  readonly #socket: RawSocket
  readonly #fail: (error: Error) => void

  constructor(socket: RawSocket, fail: (error: Error) => void) {
    this.#socket = socket
    this.#fail = fail
  }

  onBytes(bytes: Buffer): boolean {
    this.#socket.writeBorrowed(bytes)
    return true
  }
  onEnd(): void {
    this.#socket.end()
  }
  onDrain(): void {}
  onError(cause: Error): void {
    this.#fail(cause)
  }
  onClose(): void {}
}

/** Waits for the answer, then ends. */
class Asking implements ByteReceiver {
  readonly #socket: RawSocket
  readonly #done: () => void
  readonly #fail: (error: Error) => void
  #received = ''
  #drained = false

  constructor(socket: RawSocket, done: () => void, fail: (error: Error) => void) {
    this.#socket = socket
    this.#done = done
    this.#fail = fail
  }

  onBytes(bytes: Buffer): boolean {
    this.#received += bytes.toString('latin1')
    if (this.#received.length >= message.length) this.#socket.end()
    return true
  }
  onDrain(): void {
    this.#drained = true
  }
  onEnd(): void {
    const { unsent } = this.#socket
    if (this.#received !== message) this.#fail(new Error(`received ${JSON.stringify(this.#received)}`))
    else if (!this.#drained || unsent > 0) this.#fail(new Error(`${unsent} bytes unsent after the answer`))
  }
  onError(cause: Error): void {
    this.#fail(cause)
  }
  onClose(): void {
    if (this.#socket.isFinished) this.#done()
    else this.#fail(new Error('closed before both sides had ended'))
  }
}
