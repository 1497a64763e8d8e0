import type { Message, Reading } from './messages.ts'

// A second reader, made of regular expressions and without a thought for speed or for bytes that have not arrived yet. It
// takes at least what the gateway takes; where both take a message, they have to read the same.

/** What the requests in a stream say. */
export function naiveRequests(text: string): Reading {
  return readAll(
    text,
    requestLine,
    () => false,
    false,
    (fields) => lengthOf(fields) ?? 0,
  )
}

/** What the answer to a request says, and the interim ones before it. */
export function naiveResponse(text: string, method: string, ended: boolean): Reading {
  const hasNone = ({ status = 0 }: Line): boolean =>
    status < 200 || status === 204 || status === 304 || method === 'HEAD'
  return readAll(text.replace(/^\r?\n/, ''), statusLine, hasNone, ended, lengthOf)
}

type Line = Pick<Message, 'version' | 'method' | 'target' | 'status' | 'reason'>

function readAll(
  stream: string,
  lineOf: (line: string) => Line | undefined,
  hasNone: (line: Line) => boolean,
  ended: boolean,
  length: (fields: readonly string[]) => number | undefined,
): Reading {
  const reading: Reading = { messages: [], refused: undefined, stopped: false, lenient: false }
  let rest = stream
  for (;;) {
    if (lineOf === requestLine) rest = rest.replace(/^(?:\r\n)+/, '')
    const lineEnd = /^[^\n]*\r\n/.test(rest) ? '\r\n' : '\n'
    const end = rest.indexOf(lineEnd + lineEnd)
    if (end === -1) return reading
    const [first = '', ...lines] = rest.slice(0, end).split(lineEnd)
    rest = rest.slice(end + 2 * lineEnd.length)
    const line = lineOf(first)
    const fields = fieldsOf(lines)
    if (line === undefined || fields === undefined) return { ...reading, refused: 'naive' }
    const message: Message = { ...line, fields, body: '', trailers: [], complete: false }
    reading.messages.push(message)
    if (line.method === 'CONNECT' || hasNone(line)) message.complete = true
    else if (fields.includes('transfer-encoding')) rest = unchunk(message, rest, lineEnd)
    else {
      const count = length(fields)
      message.body = rest.slice(0, count)
      message.complete = count === undefined ? ended : message.body.length === count
      rest = rest.slice(message.body.length)
    }
    const isLast = line.status === undefined ? line.method === 'CONNECT' : line.status >= 200 || line.status === 101
    if (isLast || !message.complete) return reading
  }
}

function requestLine(line: string): Line | undefined {
  const [, method, target, version] = /^([^ ]+) ([^ ]+) HTTP\/(1\.[01])$/.exec(line) ?? []
  return version === undefined ? undefined : { version, method: method!, target: target! }
}

function statusLine(line: string): Line | undefined {
  const [, minor, status, reason = ''] = /^HTTP\/1\.(\d) ([1-9]\d\d)(?: (.*))?$/s.exec(line) ?? []
  return minor === undefined ? undefined : { version: minor === '0' ? '1.0' : '1.1', status: Number(status), reason }
}

/** Name in lower case, value, …: folded lines joined, equal lengths as one in its shortest form. */
function fieldsOf(lines: readonly string[]): string[] | undefined {
  const fields: string[] = []
  for (const line of lines) {
    if (/^[\t ]/.test(line) && fields.length > 0) {
      const last = fields.pop()!
      fields.push(`${last} ${line}`)
      continue
    }
    const [, name, value] = /^([^:\s]+)[\t ]*:(.*)$/s.exec(line) ?? []
    if (name === undefined) return undefined
    fields.push(name.toLowerCase(), value!)
  }
  const seen: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!
    const value = fields[i + 1]!.replace(/^[\t ]+|[\t ]+$/g, '')
    if (name !== 'content-length') seen.push(name, value)
    else if (!seen.includes(name)) seen.push(name, `${Number(value.replace(/[\t ]*,.*/, ''))}`)
  }
  return seen
}

function lengthOf(fields: readonly string[]): number | undefined {
  const at = fields.findIndex((text, i) => i % 2 === 0 && text === 'content-length')
  return at === -1 ? undefined : Number(fields[at + 1])
}

function unchunk(message: Message, text: string, lineEnd: string): string {
  let rest = text
  for (;;) {
    const line = /^([\da-f]+)[\t ]*(?:;[^\r\n]*)?\r?\n/i.exec(rest)
    if (line === null) return rest
    rest = rest.slice(line[0].length)
    const size = Number.parseInt(line[1]!, 16)
    if (size === 0) break
    message.body += rest.slice(0, size)
    if (!rest.startsWith(lineEnd, size)) return rest
    rest = rest.slice(size + lineEnd.length)
  }
  const found = rest.indexOf(lineEnd + lineEnd)
  if (!rest.startsWith(lineEnd) && found === -1) return rest
  const end = rest.startsWith(lineEnd) ? 0 : found + lineEnd.length
  const lines = end === 0 ? [] : rest.slice(0, end - lineEnd.length).split(lineEnd)
  const trailers = fieldsOf(lines) ?? ['not', 'parsed']
  for (let i = 0; i < trailers.length; i += 2) {
    const isFraming = trailers[i] === 'content-length' || trailers[i] === 'transfer-encoding'
    if (!isFraming) message.trailers.push(trailers[i]!, trailers[i + 1]!)
  }
  message.complete = true
  return rest.slice(end + lineEnd.length)
}
