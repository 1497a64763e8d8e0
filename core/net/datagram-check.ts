import { RawDatagram } from './raw-datagram.ts'
import { WheelTimer } from './timer-wheel.ts'
import { udp } from './udp-binding.ts'

/** Longest time that the check may take, ms; it takes 2. */
const limit = 2000

let checking: Promise<string | undefined> | undefined
let isPassed = false

/** Whether UDP sockets may be `RawDatagram`s: node has the binding, and it did what it should. */
export function areRawDatagramsUsable(): boolean {
  return isPassed
}

/**
 * Tries out raw UDP sockets on the loopback, once in a process: bound and connected, empty and full datagrams, the refusal of
 * a port that is closed, and a pause. Until it has passed, and if it fails, all are sockets of `node:dgram`.
 *
 * @returns why they cannot be used; `undefined` when they can, or when the environment says not to use them
 */
export function checkRawDatagrams(): Promise<string | undefined> {
  checking ??= check()
  return checking
}

async function check(): Promise<string | undefined> {
  if (process.env.POSTERN_RAW_SOCKETS === '0') return undefined
  if (udp === undefined) return 'this node has no binding to UDP'
  try {
    await exchange()
    isPassed = true
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** A client sends nothing and then much to an echo; then the echo closes, and the client is told. */
async function exchange(): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = new WheelTimer({ onTimeout: () => reject(new Error(`no end after ${limit} ms`)) })
  timer.arm(limit)
  const handle = new udp!.UDP() as InstanceType<NonNullable<typeof udp>['UDP']> & {
    bind(address: string, port: number, flags: number): number
  }
  if (handle.bind('127.0.0.1', 0, 0) !== 0) throw new Error('no bind')
  const echo: RawDatagram = new RawDatagram(handle, {
    onDatagram: (bytes, from) => void echo.send(bytes, from),
    onFailure: (code) => reject(new Error(`echo: ${code}`)),
  })
  const large = Buffer.alloc(9_000, 'postern')
  const heard: Buffer[] = []
  const client = RawDatagram.connect(new udp!.UDP(), '127.0.0.1', echo.port, false, {
    onDatagram: (bytes, from) => {
      heard.push(bytes)
      if (from.port !== echo.port || from.address !== '127.0.0.1') reject(new Error('an answer from elsewhere'))
      if (heard.length < 2) return
      const isSame = heard.some((one) => one.length === 0) && heard.some((one) => one.equals(large))
      if (!isSame) reject(new Error('what was received is not what was sent'))
      echo.close()
      ask()
    },
    onFailure: (code) => {
      if (code === 'ECONNREFUSED' && heard.length === 2) resolve()
      else reject(new Error(`client: ${code}`))
    },
  })
  if (typeof client === 'string') throw new Error(`no connection: ${client}`)
  const ask = (): void => {
    const failure = client.send(large)
    if (failure !== undefined && failure !== 'ECONNREFUSED') reject(new Error(`send: ${failure}`))
  }
  const failure = client.send(Buffer.alloc(0)) ?? client.send(large)
  if (failure !== undefined) reject(new Error(`send: ${failure}`))
  await promise.finally(() => {
    timer.disarm()
    echo.close()
    client.close()
  })
}
