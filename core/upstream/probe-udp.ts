import { lookup } from 'node:dns'
import { payloadOf } from '../config/payload.ts'
import type { HealthConfig } from '../config/types.ts'
import { connectTo } from '../net/connect.ts'
import { connectDatagrams, type DatagramSocket } from '../net/datagram.ts'
import { descriptors } from '../net/descriptors.ts'
import type { Backend } from './backend.ts'
import { type Done, verdictOf } from './probe.ts'

/** Sends a datagram, and judges the answer, or without `expect` only whether the host of the backend refuses it. */
export function probeUdp(backend: Backend, { udp, timeout }: HealthConfig, done: Done): { cancel(): void } {
  const { send, expect } = udp!
  let socket: DatagramSocket | undefined
  let isOver = false
  const cancel = (): void => {
    isOver = true
    clearTimeout(timer)
    socket?.close()
  }
  const finish: Done = (verdict) => {
    if (isOver) return
    cancel()
    done(verdict)
  }
  const fail = (code: string): void => {
    const why = code === 'ECONNREFUSED' ? 'connection refused' : code
    finish(descriptors.isCauseOf({ code }) ? undefined : { healthy: false, why })
  }
  const timer = setTimeout(() => {
    if (expect === undefined) finish({ healthy: true, why: 'not refused' })
    else finish({ healthy: false, why: `no answer within ${timeout} ms` })
  }, timeout)
  lookup(backend.host, (error, address) => {
    if (isOver) return
    if (error !== null) return fail(error.code ?? error.message)
    const opened = connectDatagrams(address, backend.port, {
      onDatagram: (bytes) => {
        const isExpected = expect === undefined || bytes.includes(payloadOf(expect))
        finish(isExpected ? { healthy: true, why: 'answered' } : { healthy: false, why: 'answered something else' })
      },
      onFailure: fail,
    })
    if (typeof opened === 'string') return fail(opened)
    socket = opened
    const failure = socket.send(payloadOf(send))
    if (failure !== undefined) fail(failure)
  })
  return { cancel }
}

/** Connects to another port of the backend's host by TCP. */
export function probeTcpPort(backend: Backend, { tcp, timeout }: HealthConfig, done: Done): { cancel(): void } {
  const { host } = backend
  const port = tcp!
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  return connectTo({ host, port, address }, timeout, (error, stream) => {
    if (error !== undefined) return done(verdictOf(error, backend))
    stream!.destroy()
    done({ healthy: true, why: `port ${port} connected` })
  })
}

/** Says nothing: only policies judge such backends. */
export function probeNothing(_backend: Backend, _config: HealthConfig, done: Done): { cancel(): void } {
  const timer = setTimeout(done, 0, undefined)
  return { cancel: () => clearTimeout(timer) }
}
