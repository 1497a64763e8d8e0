import { inWords, receivedAlert } from '../net/tls-alert.ts'

/** Longest part of a certificate that a message repeats, characters: it may hold anything. */
const longest = 200

const notTls = ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'ERR_SSL_UNEXPECTED_MESSAGE']

/** Why a handshake with a backend has failed, in the words of OpenSSL's verifier where it is the one who refused. */
export function handshakeProblem(cause: NodeJS.ErrnoException): string {
  const { code = '', message, reason } = cause as NodeJS.ErrnoException & { readonly reason?: string }
  const alert = receivedAlert(cause)
  if (alert !== undefined) return `the backend sent the alert "${inWords(alert)}"`
  if (notTls.includes(code)) return 'the backend does not speak TLS on this port'
  if (code === 'ECONNRESET' || code === 'EPIPE') return `the backend closed the connection (${code})`
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `its certificate is for another name: ${short(reason ?? message)}`
  if (reason !== undefined) return short(reason)
  // After a semicolon Node gives advice about its own options.
  const words = short(message.replace(/;.*$/s, ''))
  return code === '' ? words : `${words} (${code})`
}

function short(text: string): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text
}
