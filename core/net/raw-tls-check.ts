import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext, TLSSocket } from 'node:tls'
import type { ByteReceiver, ByteStream } from './byte-stream.ts'
import { checkRawSockets } from './raw-check.ts'
import { checkRawHandshake } from './raw-handshake-check.ts'
import type { RawTls } from './raw-tls.ts'
import { takeTls } from './take-tls.ts'
import { WheelTimer } from './timer-wheel.ts'

/** Longest time that the check may take, ms; it takes 10 to 20. Time in which the process does not run does not count. */
const limit = 2000

/** What the client sends: as text, as bytes, as both, bytes that are overwritten immediately, and more than a record. */
const message = `text bytes both borrowed${'x'.repeat(20_000)}`

let checking: Promise<string | undefined> | undefined
let isPassed = false

/** Whether TLS connections may be `RawTls`. */
export function isRawTlsUsable(): boolean {
  return isPassed
}

/**
 * Tries out raw TLS on two loopback connections, and then handshakes (`raw-handshake-check.ts`), once in a process: reading, all kinds of writes, of which some wait for one
 * another, and that an end with close_notify is told apart from one without. Until it has passed, and if it fails, all TLS
 * connections are sockets of node.
 *
 * @returns why they cannot be used; `undefined` when they can, or when there are no raw sockets
 */
export function checkRawTls(): Promise<string | undefined> {
  checking ??= check()
  return checking
}

async function check(): Promise<string | undefined> {
  // What is wrong then has been said already.
  if (process.env.POSTERN_RAW_SOCKETS === '0' || (await checkRawSockets()) !== undefined) return undefined
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = new WheelTimer({ onTimeout: () => reject(new Error(`no end after ${limit} ms`)) })
  timer.arm(limit)
  const opened: Closing[] = []
  try {
    bothWays(opened, reject).then(resolve, reject)
    await promise
    isPassed = true
    return await checkRawHandshake()
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    timer.disarm()
    for (const one of opened) one.destroy()
  }
}

interface Closing {
  destroy(): unknown
}

async function bothWays(opened: Closing[], fail: (error: Error) => void): Promise<void> {
  for (const isCut of [false, true]) {
    const [server, client] = await connected(opened)
    const [atServer, atClient] = [new Side(server, fail), new Side(client, fail)]
    client.writeText('text ')
    client.write(Buffer.from('bytes '))
    client.writeBoth('bo', Buffer.from('th '))
    const borrowed = Buffer.from('borrowed')
    client.writeBorrowed(borrowed)
    borrowed.fill(0)
    client.write(Buffer.alloc(20_000, 'x'))
    await atServer.until(() => atServer.text.length >= message.length)
    if (atServer.text !== message) throw new Error(`received ${JSON.stringify(atServer.text.slice(0, 100))}`)
    server.writeText('the answer')
    await atClient.until(() => atClient.text === 'the answer')
    if (client.unsent > 0) throw new Error(`${client.unsent} bytes unsent after the answer`)
    if (isCut) client.destroy()
    else client.end()
    await atServer.until(() => server.hasEnded)
    if (server.mayBeCut !== isCut)
      throw new Error(`an end ${isCut ? 'without' : 'with'} close_notify looked like another`)
    server.end()
    await atServer.until(() => !server.isOpen)
    await atClient.until(() => !client.isOpen)
    if (client.isFinished === isCut) throw new Error('closed before both sides had ended')
  }
}

/** Without certificates: both sides have the same key. */
const psk = Buffer.alloc(32, 1)

/** Both sides of a TLS connection. */
async function connected(opened: Closing[]): Promise<[server: RawTls, client: RawTls]> {
  const listening = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  opened.push({ destroy: () => listening.close() })
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  const there = connect({ port: (listening.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  opened.push(there)
  const [[here]] = (await Promise.all([once(listening, 'connection'), once(there, 'connect')])) as [[Socket], unknown]
  opened.push(here)
  const secureContext = createSecureContext({ ciphers: 'TLS_AES_128_GCM_SHA256', ca: [] })
  const server = new TLSSocket(here, { isServer: true, secureContext, ...{ pskCallback: () => psk } })
  const client = connectTls({
    socket: there,
    secureContext,
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk, identity: 'check' }),
  })
  opened.push(server, client)
  await Promise.all([once(server, 'secure'), once(client, 'secureConnect')])
  const [atServer, atClient] = [takeTls(server), takeTls(client)]
  if (atServer === undefined || atClient === undefined) throw new Error('node keeps a TLS connection in another way')
  opened.push(atServer, atClient)
  return [atServer, atClient]
}

/** What one side receives. */
class Side implements ByteReceiver {
  text = ''
  readonly #fail: (error: Error) => void
  #look = (): void => {}

  constructor(stream: ByteStream, fail: (error: Error) => void) {
    this.#fail = fail
    stream.start(this)
  }

  /** Waits until something is so. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        this.#look = resolve
      })
    }
  }

  onBytes(bytes: Buffer): boolean {
    this.text += bytes.toString('latin1')
    this.#look()
    return true
  }
  onEnd(): void {
    this.#look()
  }
  onDrain(): void {}
  onError(cause: Error): void {
    this.#fail(cause)
  }
  onClose(): void {
    this.#look()
  }
}
