import { request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

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

/** One request on a connection of its own. */
export function send(port: number, path: string, options: ClientRequest = {}): Promise<ClientResponse> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = options
    const request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
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
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.on('error', () => {})
      resolve(socket)
    })
    socket.once('error', reject)
    onTestFinished(() => void socket.destroy())
  })
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
