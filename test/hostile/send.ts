import type { Agent, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import { requester, requestOptions } from '../helpers/client.ts'

export interface Answer {
  /** 0 when the connection was lost before the answer came. */
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Code of the error that took the answer's place. */
  readonly error: string | undefined
  readonly ms: number
}

export interface Ask {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  readonly agent?: Agent
  /** How long the client waits for an answer, ms. Default: 20,000. */
  readonly patience?: number
}

/** One request; on a connection of its own unless there is an agent. Never rejects. */
export function send(
  port: number,
  path: string,
  { method = 'GET', headers = {}, agent, patience = 20_000 }: Ask = {},
): Promise<Answer> {
  const began = performance.now()
  return new Promise((resolve) => {
    const end = (status: number, body: string, got: IncomingHttpHeaders, error?: string): void => {
      resolve({ status, body, headers: got, error, ms: performance.now() - began })
    }
    const request = requester()(
      { host: '127.0.0.1', port, path, method, headers, agent: agent ?? false, ...requestOptions() },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', (error: NodeJS.ErrnoException) => end(0, '', {}, error.code ?? error.message))
        response.on('end', () => end(response.statusCode ?? 0, Buffer.concat(chunks).toString(), response.headers))
      },
    )
    request.on('error', (error: NodeJS.ErrnoException) => end(0, '', {}, error.code ?? error.message))
    request.setTimeout(patience, () => request.destroy(new Error(`no answer within ${patience} ms`)))
    request.end()
  })
}
