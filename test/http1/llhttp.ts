import { bytesOf, type Message, type Reading } from './messages.ts'

/** node:http's own parser, as its server and client use it. */
interface HttpParser {
  initialize(type: number, resource: object, maxHeaderSize: number, lenient: number): void
  execute(bytes: Buffer): number | (Error & { code?: string })
  finish(): Error | undefined
  free(): void
  [callback: number]: unknown
}
interface HttpCommon {
  readonly HTTPParser: { new (): HttpParser; readonly [constant: string]: number }
  readonly methods: readonly string[]
}
const { HTTPParser, methods } = process.getBuiltinModule('_http_common' as 'http') as unknown as HttpCommon

/** `methods` leaves out those of RTSP, whose numbers are before that of QUERY. */
const numberOfQuery = 46

export function knowsMethod(method: string): boolean {
  return method === 'QUERY' || methods.includes(method)
}

/** What llhttp makes of the bytes, strict as in a server. */
export function llhttpRequests(text: string): Reading {
  return run(HTTPParser.REQUEST!, text, false, undefined)
}

/** What llhttp makes of the answer to a request. */
export function llhttpResponse(text: string, method: string, ended: boolean): Reading {
  return run(HTTPParser.RESPONSE!, text, ended, method)
}

function run(type: number, text: string, ended: boolean, asked: string | undefined): Reading {
  const parser = new HTTPParser()
  const reading: Reading = { messages: [], refused: undefined, stopped: false, lenient: false }
  let raw: string[] = []
  let url = ''
  let open: Message | undefined
  const flush = (headers: string[], part: string): void => {
    raw.push(...headers)
    url += part
  }
  parser.initialize(type, {}, 1024 * 1024, 0)
  parser[HTTPParser.kOnHeaders!] = flush
  parser[HTTPParser.kOnHeadersComplete!] = (
    major: number,
    minor: number,
    headers: string[] | undefined,
    method: number | undefined,
    target: string | undefined,
    status: number | undefined,
    reason: string | undefined,
    upgrade: boolean,
  ): number => {
    flush(headers ?? [], target ?? '')
    const common = { version: `${major}.${minor}`, fields: lower(raw), body: '', trailers: [], complete: false }
    open =
      type === HTTPParser.REQUEST
        ? { ...common, method: method === numberOfQuery ? 'QUERY' : methods[method!]!, target: url }
        : { ...common, status: status!, reason: reason ?? '' }
    reading.messages.push(open)
    raw = []
    url = ''
    reading.stopped = upgrade
    return asked === 'HEAD' && status! >= 200 ? 1 : 0
  }
  parser[HTTPParser.kOnBody!] = (chunk: Buffer): void => {
    open!.body += chunk.toString('latin1')
  }
  parser[HTTPParser.kOnMessageComplete!] = (): void => {
    open!.trailers = lower(raw)
    open!.complete = true
    raw = []
    url = ''
  }
  const result = parser.execute(bytesOf(text))
  if (result instanceof Error) reading.refused = result.code ?? result.message
  else if (ended && parser.finish() !== undefined) reading.refused = 'unfinished'
  parser.free()
  return reading
}

function lower(raw: readonly string[]): string[] {
  return raw.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text))
}
