import { Agent, request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'
import { request as httpsRequest, Agent as TlsAgent } from 'node:https'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { onTestFinished, test } from 'vitest'

export interface ClientResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** The body, parsed. */
  json<T = Record<string, unknown>>(): T
}

export interface ClientRequest {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string | Buffer
}

let ca: string | undefined

/** From now on the clients of this process speak TLS. @param authority that they trust */
export function speakTls(authority: string): void {
  ca = authority
}

/** Like `test`, for what is about TCP itself, brings a client of its own or takes long: it does not run again over TLS. */
export function testInClear(name: string, run: () => Promise<void>, limit?: number): void {
  if (ca === undefined) test(name, run, limit)
}

/** Whether clients speak TLS. */
export function isOverTls(): boolean {
  return ca !== undefined
}

/** For requests that share connections. */
export function newAgent(options: { keepAlive: boolean; maxSockets?: number }): Agent {
  return ca === undefined ? new Agent(options) : new TlsAgent({ ...options, ...requestOptions() })
}

/** `request` of node, which a client of its own needs with `requestOptions`. */
export function requester(): typeof httpRequest {
  return ca === undefined ? httpRequest : (httpsRequest as typeof httpRequest)
}

/** Whom a client trusts. Without the name it would look for that of the `Host`. */
export function requestOptions(): { readonly ca?: string; readonly servername?: string } {
  return ca === undefined ? {} : { ca, servername: 'localhost' }
}

/** One request on a connection of its own. */
export function send(port: number, path: string, ask: ClientRequest = {}): Promise<ClientResponse> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = ask
    const options = { host: '127.0.0.1', port, path, method, headers, agent: false, ...requestOptions() }
    const request = requester()(options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const json = <T>(): T => JSON.parse(text) as T
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text, json })
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** A raw connection; ended when the test is over. */
export function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, allowHalfOpen: true }
    const socket = ca === undefined ? connect(options) : openSecured(connect(options), ca)
    socket.once(ca === undefined ? 'connect' : 'secureConnect', () => {
      socket.off('error', reject)
      socket.on('error', () => {})
      resolve(socket)
    })
    socket.once('error', reject)
    onTestFinished(() => void socket.destroy())
  })
}

/** A TLS connection that can be reset, which node does not offer. */
function openSecured(socket: Socket, ca: string): Socket {
  const options = { socket, ca, servername: 'localhost', allowHalfOpen: true }
  const secured = connectTls(options)
  secured.resetAndDestroy = () => {
    socket.resetAndDestroy()
    return secured
  }
  return secured
}

/** Everything that arrives until the other side ends or resets. */
export function drained(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    socket.on('close', () => resolve(text))
    socket.on('end', () => {
      socket.end()
      resolve(text)
    })
  })
}

/** Sends bytes as they are and gives back all that comes until the connection ends. */
export async function raw(port: number, bytes: string): Promise<string> {
  const socket = await open(port)
  const answer = drained(socket)
  socket.write(bytes, 'latin1')
  return answer
}
