import type { Fields } from '../http/fields.ts'
import { Malformed } from '../http/malformed.ts'
import { parseFields } from './parse-fields.ts'
import { tidyLines } from './tidy-lines.ts'

/** Most trailers of a message. */
const maxFields = 200

const framingTrailer = new Malformed('a trailer is Content-Length or Transfer-Encoding')

/** Trailers, and whether they were taken though RFC 9112 does not allow their form. */
export interface ReadTrailers {
  readonly fields: Fields
  readonly lenient: boolean
}

/**
 * Parses a trailer section, without the empty line at its end. A trailer that would frame the message is refused in a
 * request, and dropped from a response, which the codec frames anew (RFC 9110 §6.5.1).
 */
export function parseTrailers(text: string, ofResponse: boolean): ReadTrailers | Malformed {
  let fields = parse(text)
  let lenient = false
  if (fields instanceof Malformed && ofResponse) {
    fields = parse(tidyLines(text))
    lenient = true
  }
  if (fields instanceof Malformed) return fields
  if (!fields.has('content-length') && !fields.has('transfer-encoding')) return { fields, lenient }
  if (!ofResponse) return framingTrailer
  fields.delete('content-length')
  fields.delete('transfer-encoding')
  return { fields, lenient: true }
}

/** Copies the text: trailers are rare. */
function parse(text: string): Fields | Malformed {
  const bytes = Buffer.from(text, 'latin1')
  return parseFields(bytes, text, 0, 0, bytes.length, maxFields)
}
