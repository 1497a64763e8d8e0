import { Fields } from '../http/fields.ts'
import { encodeFields } from './encode-fields.ts'

/**
 * Fields that must not come as trailers (RFC 9110 §6.5.1), since whoever merged them into the head would be told another
 * framing, route, credential or content than the head told everybody else.
 */
const forbidden: ReadonlySet<string> = new Set([
  ...['content-length', 'host', 'te', 'trailer', 'expect', 'max-forwards', 'range', 'cache-control', 'pragma'],
  ...['content-encoding', 'content-type', 'content-range', 'authorization', 'proxy-authenticate', 'cookie'],
  ...['proxy-authorization', 'set-cookie', 'www-authenticate', 'location', 'vary', 'age', 'date', 'expires'],
  ...['retry-after', 'forwarded', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port'],
  ...['x-real-ip', 'x-request-id', 'via'],
])

/** Some backends take an underscore for a dash. */
function isForbidden(name: string): boolean {
  return forbidden.has(name.replaceAll('_', '-'))
}

/** The end of a chunked body: the last chunk and what may go on of the trailers. */
export function encodeLastChunk(trailers: Fields | undefined): string {
  if (trailers === undefined) return '0\r\n\r\n'
  const { list } = trailers
  const kept: string[] = []
  for (let i = 0; i < list.length; i += 2) if (!isForbidden(list[i]!)) kept.push(list[i]!, list[i + 1]!)
  return `0\r\n${encodeFields(new Fields(kept, true))}\r\n`
}
