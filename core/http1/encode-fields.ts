import type { Fields } from '../http/fields.ts'

/**
 * Field lines for the wire, each ended by CRLF. What says how this one message is framed and how long its connection
 * lives is left out, `Content-Length` included: whoever frames the message writes that.
 */
export function encodeFields({ list, tail }: Fields): string {
  let text = ''
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!
    if (!isFraming(name)) text += name + ': ' + list[i + 1]! + '\r\n'
  }
  return text + tail
}

function isFraming(name: string): boolean {
  switch (name) {
    case 'connection':
    case 'content-length':
    case 'keep-alive':
    case 'proxy-connection':
    case 'transfer-encoding':
    case 'upgrade':
      return true
    default:
      return false
  }
}
