/** A message of HTTP/1.1, as the strictest recipient reads it. */
export interface Heard {
  readonly first: string
  /** Names in lower case and values in turn. */
  readonly fields: readonly string[]
  readonly body: string
  readonly trailers: readonly string[]
  /** How much of the text it is. */
  readonly length: number
}

export type Kind = 'request' | 'response' | 'response without body'

const token = "[!#$%&'*+.^_`|~\\w-]+"
const field = new RegExp(
  `^(${token}):[ \\t]?((?:[\\x21-\\x7e\\x80-\\xff](?:[\\t\\x20-\\x7e\\x80-\\xff]*[\\x21-\\x7e\\x80-\\xff])?)?)$`,
)
const requestLine = new RegExp(`^${token} (?:/[\\x21-\\x22\\x24-\\x7e\\x80-\\xff]*|\\*) HTTP/1\\.1$`)
const statusLine = /^HTTP\/1\.1 [1-9]\d\d [\t\x20-\x7e\x80-\xff]*$/

/** The message that a text begins with; `undefined` while it is incomplete, a text when there is something wrong with it. */
export function hear(text: string, kind: Kind): Heard | string | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [first = '', ...lines] = text.slice(0, end).split('\r\n')
  if (!(kind === 'request' ? requestLine : statusLine).test(first)) return 'a first line that is none'
  const fields = fieldsOf(lines)
  if (fields === undefined) return 'a line that is no field'
  const valuesOf = (name: string): string[] => fields.filter((_, at) => at % 2 === 1 && fields[at - 1] === name)
  if (kind === 'request' && valuesOf('host').length !== 1) return 'not one Host'
  const [lengths, codings] = [valuesOf('content-length'), valuesOf('transfer-encoding')]
  if (lengths.length + codings.length > 1) return 'more than one framing'
  const whole = (body: string, trailers: readonly string[], length: number): Heard => {
    return { first, fields, body, trailers, length: end + 4 + length }
  }
  const after = text.slice(end + 4)
  if (kind === 'response without body' || (kind === 'response' && /^HTTP\/1\.1 (?:1|204|304)/.test(first)))
    return whole('', [], 0)
  if (codings.length > 0) return codings[0] === 'chunked' ? chunksOf(after, whole) : 'a coding'
  const [length] = lengths
  if (length === undefined) return kind === 'request' ? whole('', [], 0) : 'a response without framing'
  if (!/^(?:0|[1-9]\d*)$/.test(length)) return 'a length that is none'
  return after.length < Number(length) ? undefined : whole(after.slice(0, Number(length)), [], Number(length))
}

function fieldsOf(lines: readonly string[]): string[] | undefined {
  const fields: string[] = []
  for (const line of lines) {
    const [, name, value] = field.exec(line) ?? []
    if (name === undefined || value === undefined) return undefined
    fields.push(name.toLowerCase(), value)
  }
  return fields
}

function chunksOf(
  text: string,
  whole: (body: string, trailers: readonly string[], length: number) => Heard,
): Heard | string | undefined {
  let body = ''
  for (let at = 0; ; ) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd === -1) return undefined
    const digits = text.slice(at, lineEnd)
    if (!/^[\da-f]+$/i.test(digits)) return 'a chunk that is none'
    const size = Number.parseInt(digits, 16)
    at = lineEnd + 2
    if (size === 0) {
      const end = text.startsWith('\r\n', at) ? at : text.indexOf('\r\n\r\n', at) + 2
      if (end === 1) return undefined
      const trailers = fieldsOf(end === at ? [] : text.slice(at, end - 2).split('\r\n'))
      return trailers === undefined ? 'a trailer that is none' : whole(body, trailers, end + 2)
    }
    if (text.length < at + size + 2) return undefined
    if (text.slice(at + size, at + size + 2) !== '\r\n') return 'a chunk without end'
    body += text.slice(at, at + size)
    at += size + 2
  }
}
