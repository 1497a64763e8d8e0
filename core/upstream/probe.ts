import type { ClientRequest } from 'node:http'
import { performance } from 'node:perf_hooks'
import type { TLSSocket } from 'node:tls'
import type { HealthConfig } from '../config/types.ts'
import type { PosternError } from '../errors.ts'
import { asValue } from '../http/field-text.ts'
import type { ByteStream } from '../net/byte-stream.ts'
import type { ConnectDone } from '../net/connect.ts'
import { descriptors } from '../net/descriptors.ts'
import { refusalOf } from '../net/tls-alert.ts'
import type { Backend } from './backend.ts'
import type { Verdict } from './health.ts'

/** Called once, unless the probe is cancelled. Without a verdict it said nothing about the backend. */
export type Done = (verdict: Verdict | undefined) => void

/** Longest body that a probe reads, bytes; beyond it the connection is closed, and the status decides. */
export const longestBody: number = 64 * 1024

/** Connects, over TLS with the whole handshake. */
export function probeTcp(backend: Backend, { timeout }: HealthConfig, done: Done): { cancel(): void } {
  const since = performance.now()
  let next: { cancel(): void } | undefined
  const connected: ConnectDone = (error, stream) => {
    if (error !== undefined) return done(verdictOf(error, backend))
    if (stream!.isTls) next = awaitEnd(stream!, timeout - (performance.now() - since), done)
    else {
      stream!.destroy()
      done({ healthy: true, why: 'connected' })
    }
  }
  const connecting = backend.connect(backend, timeout, connected, backend.greetingFor(undefined))
  return {
    cancel(): void {
      connecting.cancel()
      next?.cancel()
    },
  }
}

export function verdictOf({ code, message }: PosternError, { address }: Backend): Verdict | undefined {
  if (code === 'OM') return undefined
  // The log line names the address already.
  return { healthy: false, why: message.replace(`${address}: `, '') }
}

/**
 * Ends a TLS connection and waits for the backend to end it, too: in TLS 1.3 a backend that refuses the gateway's certificate says
 * so when the handshake is over on this side.
 */
function awaitEnd(stream: ByteStream, timeout: number, done: Done): { cancel(): void } {
  let isOver = false
  const cancel = (): void => {
    isOver = true
    clearTimeout(timer)
    stream.leave()
    stream.destroy()
  }
  const finish = (verdict: Verdict): void => {
    // A failure and the close after it are told together.
    if (isOver) return
    cancel()
    done(verdict)
  }
  // A backend that goes on sending, or never ends, has accepted the connection.
  const accept = (): void => finish({ healthy: true, why: 'connected' })
  const timer = setTimeout(accept, Math.max(1, timeout))
  stream.start({
    onBytes() {
      accept()
      return true
    },
    onEnd: accept,
    onDrain() {},
    onError(cause) {
      const refusal = refusalOf(cause)
      if (refusal === undefined) accept()
      else finish({ healthy: false, why: refusal })
    },
    onClose: accept,
  })
  stream.end()
  return { cancel }
}

/** Sends an HTTP request. */
export function probeHttp(backend: Backend, config: HealthConfig, done: Done): { cancel(): void } {
  const { tls } = backend
  if (tls === undefined) return request(backend, config, config.timeout, undefined, done)
  const since = performance.now()
  let next: { cancel(): void } | undefined
  const connecting = tls.connectSocket(backend, config.timeout, (error, socket) => {
    if (error !== undefined) done(verdictOf(error, backend))
    else next = request(backend, config, config.timeout - (performance.now() - since), socket, done)
  })
  return {
    cancel(): void {
      connecting.cancel()
      next?.cancel()
    },
  }
}

/** Calls `done` when the connection is closed, so that no probe overlaps the previous one. */
function request(
  { authority, host, port, path: socketPath }: Backend,
  config: HealthConfig,
  rest: number,
  socket: TLSSocket | undefined,
  done: Done,
): { cancel(): void } {
  const { path, status, timeout, method = 'GET' } = config
  let verdict: Verdict | undefined
  let isUnsent = false
  let request: ClientRequest
  const named: Record<string, string> = { 'user-agent': 'postern-health', accept: '*/*' }
  for (const [name, text] of Object.entries(config.headers ?? {})) named[name] = asValue(text)
  const headers = { ...named, host: config.host ?? authority, connection: 'close' }
  try {
    // Not imported: see `encode-head.ts`.
    const to = socketPath === undefined ? { host, port } : { socketPath }
    const over = socket === undefined ? { ...to, agent: false } : { createConnection: () => socket }
    request = process.getBuiltinModule('node:http').request({ ...over, path, method, headers })
    request.end()
  } catch (error) {
    // Node refuses to send this request. The configuration check should have refused it.
    const timer = setTimeout(done, 0, { healthy: false, why: (error as Error).message })
    return { cancel: () => clearTimeout(timer) }
  }
  function end(found: Verdict): void {
    verdict ??= found
    request.destroy()
  }
  function finish(): void {
    clearTimeout(timer)
    if (isUnsent) return done(undefined)
    done(verdict ?? { healthy: false, why: 'connection closed without a response' })
  }
  const timer = setTimeout(() => end({ healthy: false, why: `no response within ${timeout} ms` }), Math.max(1, rest))

  request.on('response', (response) => {
    const code = response.statusCode ?? 0
    const healthy = status === undefined ? code >= 200 && code < 400 : code === status
    verdict = { healthy, why: `${method} ${path} answered ${code}` }
    let received = 0
    response.on('error', () => {})
    response.on('data', (chunk: Buffer) => {
      received += chunk.length
      if (received > longestBody) request.destroy()
    })
  })
  request.on('error', (error: NodeJS.ErrnoException) => {
    isUnsent = descriptors.isCauseOf(error)
    verdict ??= { healthy: false, why: `${method} ${path} failed: ${refusalOf(error) ?? error.code ?? error.message}` }
  })
  request.on('close', finish)

  return {
    cancel(): void {
      clearTimeout(timer)
      request.off('close', finish)
      request.destroy()
    },
  }
}
