import { kinds, TOKEN, VALUE } from '../http/characters.ts'
import { Malformed } from '../http/malformed.ts'

const badName = new Malformed('a header name is not a token in lower case')
const badValue = new Malformed('a header value has a control character, or whitespace around it')

/** Fields that belong to a connection of HTTP/1.1 (RFC 9113 §8.2.2). */
const ofConnections: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/**
 * What is wrong with a field (RFC 9113 §8.2.1, §8.2.2).
 *
 * @param pseudo what is wrong when it is a pseudo-header
 * @param mayAccept whether it may be `te: trailers`, which only a request has. Default: false.
 */
export function problemOfField(
  name: string,
  value: string,
  pseudo: Malformed,
  mayAccept: boolean = false,
): Malformed | undefined {
  if (!isLowerToken(name)) return name.charCodeAt(0) === 0x3a ? pseudo : badName
  if (ofConnections.has(name) || (name === 'te' && !(mayAccept && value === 'trailers')))
    return new Malformed(`the header "${name}" belongs to a connection of HTTP/1.1`)
  return isTidyValue(value) ? undefined : badValue
}

function isLowerToken(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if ((kinds[code]! & TOKEN) === 0 || (code >= 0x41 && code <= 0x5a)) return false
  }
  return name !== ''
}

function isTidyValue(value: string): boolean {
  const { length } = value
  if (length === 0) return true
  for (let i = 0; i < length; i++) if ((kinds[value.charCodeAt(i)]! & VALUE) === 0) return false
  return !isSpace(value.charCodeAt(0)) && !isSpace(value.charCodeAt(length - 1))
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}
