import { Malformed } from '../../core/http/malformed.ts'
import { connectionOptions, isPersistent, UPGRADE } from '../../core/http1/connection-options.ts'
import { RequestReader } from '../../core/http1/request-reader.ts'
import { ResponseReader } from '../../core/http1/response-reader.ts'

/** A message as a parser told it. */
export interface Message {
  readonly version: string
  readonly method?: string
  readonly target?: string
  readonly status?: number
  readonly reason?: string
  /** Name in lower case, value, name, value. */
  readonly fields: string[]
  body: string
  trailers: string[]
  complete: boolean
}

/** What a parser made of a stream of bytes, up to where it refused it. */
export interface Reading {
  readonly messages: Message[]
  /** Why it was refused. */
  refused: Malformed | string | undefined
  /** Whether it stopped where the connection turns into something else, or ends. */
  stopped: boolean
  /** Whether the gateway took something that RFC 9112 does not allow. */
  lenient: boolean
}

export function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** The requests in a stream that arrives in these chunks, as a connection would take them. */
export function readRequests(chunks: readonly Buffer[]): Reading {
  const reader = new RequestReader()
  const reading: Reading = { messages: [], refused: undefined, stopped: false, lenient: false }
  let open: Message | undefined
  let last = false
  for (const chunk of chunks) {
    if (reading.refused !== undefined || reading.stopped) break
    // A reader moves bytes within the memory that it gets.
    reader.input.push(Buffer.from(chunk), false)
    while (reading.refused === undefined && !reading.stopped) {
      if (open === undefined) {
        const head = reader.nextHead()
        if (head instanceof Malformed) reading.refused = head
        if (head === undefined || head instanceof Malformed) break
        const { method, target, version, fields } = head
        open = { version, method, target, fields: fields.list, body: '', trailers: [], complete: false }
        reading.messages.push(open)
        const options = connectionOptions(fields)
        last = !isPersistent(version, options) || method === 'CONNECT'
        if ((options & UPGRADE) !== 0 && fields.has('upgrade')) last = true
      }
      if (!takeBody(reader, open, reading)) break
      if (open.complete) {
        open = undefined
        reading.stopped = last
      }
    }
  }
  return reading
}

/** The one final response in a stream, and the interim ones before it; `ended` says whether the stream has an end. */
export function readResponse(chunks: readonly Buffer[], method: string, ended: boolean): Reading {
  const reader = new ResponseReader()
  const reading: Reading = { messages: [], refused: undefined, stopped: false, lenient: false }
  let open: Message | undefined
  reader.start()
  for (const chunk of chunks) {
    if (reading.refused !== undefined || reading.stopped) break
    // A reader moves bytes within the memory that it gets.
    reader.input.push(Buffer.from(chunk), false)
    while (reading.refused === undefined && !reading.stopped) {
      if (open === undefined) {
        const head = reader.nextHead(method)
        if (head instanceof Malformed) reading.refused = head
        if (head === undefined || head instanceof Malformed) break
        const { version, status, reason, fields } = head
        open = { version, status, reason, fields: fields.list, body: '', trailers: [], complete: false }
        reading.messages.push(open)
      }
      if (!takeBody(reader, open, reading)) break
      if (open.complete) {
        reading.stopped = open.status! >= 200 || open.status === 101
        open = undefined
      }
    }
  }
  reading.lenient = reader.lenient
  if (ended && open !== undefined && reading.refused === undefined) open.complete = reader.body.close()
  return reading
}

/** True when there may be more to do. */
function takeBody({ input, body }: RequestReader | ResponseReader, message: Message, reading: Reading): boolean {
  if (!body.done) {
    if (input.length === 0) return false
    const piece = body.read(input)
    message.body += piece?.toString('latin1') ?? ''
    if (body.problem !== undefined) {
      reading.refused = body.problem
      return false
    }
    if (piece === undefined && !body.done) return false
  }
  if (body.done) {
    message.complete = true
    message.trailers = body.trailers?.list ?? []
  }
  return true
}
