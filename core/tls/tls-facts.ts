import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { ClientCertificate, TlsFacts } from '../net/peer.ts'
import type { HandshakeHandle } from '../net/raw-handshake.ts'
import type { ClientHello } from './client-hello.ts'

/** Most bytes of a client's certificate: policies and logs read its names, and a backend gets it with each request. */
const largestCertificate = 16_384
/** Most certificates above the client's own. */
const longestChain = 10

/** What a listener says of the certificates of clients. */
interface Judge {
  readonly authorities: readonly X509Certificate[]
  /** What is wrong with the number of certificates above one that OpenSSL has verified. */
  depthProblem(own: Buffer, chain: () => readonly Buffer[]): string | undefined
}

/** What is known of a client that has sent its ClientHello, and no more. */
export function factsOfHello({ serverName, alpn: offered }: ClientHello): TlsFacts {
  return {
    serverName,
    offered,
    version: undefined,
    cipher: undefined,
    alpn: undefined,
    resumed: false,
    client: undefined,
  }
}

/**
 * What the handshake of a client has settled that was not asked for a certificate.
 *
 * @param handle its handshake done.
 * @param before what the ClientHello said
 */
export function factsOfRawHandshake(handle: HandshakeHandle, { serverName, offered }: TlsFacts): TlsFacts {
  return {
    serverName,
    offered,
    version: handle.getProtocol().replace('TLSv', ''),
    cipher: handle.getCipher().name,
    alpn: handle.getALPNNegotiatedProtocol() || undefined,
    resumed: handle.isSessionReused(),
    client: undefined,
  }
}

/**
 * What the handshake of a client has settled. All that needs the socket is read from it now: its handle may be taken away
 * afterwards. What the certificate says is read when it is asked for.
 *
 * @param socket of the server's side, its handshake done.
 * @param before what the ClientHello said
 * @param rules of the listener, if it asks for certificates.
 */
export function factsOfHandshake(socket: TLSSocket, { serverName, offered }: TlsFacts, rules?: Judge): TlsFacts {
  const x509 = socket.getPeerX509Certificate()
  return {
    serverName,
    offered,
    version: socket.getProtocol()?.replace('TLSv', ''),
    cipher: socket.getCipher().name,
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined,
    resumed: socket.isSessionReused(),
    client: x509 && new PresentedCertificate(x509, problemOf(socket, x509), rules),
  }
}

/** node keeps the verdict of OpenSSL in the handle, and sets `authorized` only where its own server has accepted. */
function problemOf(socket: TLSSocket, { raw, validToDate }: X509Certificate): string | undefined {
  const { _handle: handle } = socket as unknown as { _handle: { verifyError(): Error | null } }
  const error = handle.verifyError()
  if (error !== null && error !== undefined) return error.message
  // OpenSSL has looked at the clock when the session began.
  if (validToDate.getTime() < Date.now()) return 'certificate has expired'
  return raw.length > largestCertificate
    ? `the certificate has ${raw.length} bytes; at most ${largestCertificate} are accepted`
    : undefined
}

class PresentedCertificate implements ClientCertificate {
  readonly problem: string | undefined
  readonly #x509: X509Certificate
  readonly #authorities: readonly X509Certificate[]
  readonly #isReadable: boolean
  #subject: string | undefined
  #issuer: string | undefined
  #san: readonly string[] | undefined
  #fingerprint: string | undefined
  #chain: readonly Buffer[] | undefined

  constructor(x509: X509Certificate, problem: string | undefined, rules: Judge | undefined) {
    this.#x509 = x509
    this.#authorities = rules?.authorities ?? []
    this.#isReadable = x509.raw.length <= largestCertificate
    this.problem = problem ?? rules?.depthProblem(x509.raw, () => this.chain)
  }

  get verified(): boolean {
    return this.problem === undefined
  }
  get subject(): string {
    this.#subject ??= this.#isReadable ? distinguishedName(this.#x509.subject) : ''
    return this.#subject
  }
  get issuer(): string {
    this.#issuer ??= this.#isReadable ? distinguishedName(this.#x509.issuer) : ''
    return this.#issuer
  }
  get serial(): string {
    return this.#isReadable ? this.#x509.serialNumber : ''
  }
  get san(): readonly string[] {
    this.#san ??= this.#isReadable ? alternativeNames(this.#x509.subjectAltName) : []
    return this.#san
  }
  get fingerprint(): string {
    this.#fingerprint ??= this.#x509.fingerprint256.replaceAll(':', '').toLowerCase()
    return this.#fingerprint
  }
  get der(): Buffer {
    return this.#x509.raw
  }
  get chain(): readonly Buffer[] {
    this.#chain ??= issuersOf(this.#x509, this.#authorities)
    return this.#chain
  }
}

/**
 * The certificates above one, each of which has signed the one below it: a client may send any others with them, in any order,
 * and none of those that the listener knows. A session that is resumed has none of the client's.
 */
function issuersOf(x509: X509Certificate, authorities: readonly X509Certificate[]): Buffer[] {
  const candidates: X509Certificate[] = []
  for (let sent = x509.issuerCertificate; sent !== undefined; sent = sent.issuerCertificate) {
    if (candidates.push(sent) === longestChain) break
  }
  candidates.push(...authorities)
  const issuers: Buffer[] = []
  for (let below = x509; issuers.length < longestChain; ) {
    const above = candidates.find((one) => hasSigned(one, below))
    if (above === undefined) break
    issuers.push(above.raw)
    below = above
  }
  return issuers
}

function hasSigned(above: X509Certificate, below: X509Certificate): boolean {
  if (above.raw.equals(below.raw)) return false
  try {
    return below.checkIssued(above) && below.verify(above.publicKey)
  } catch {
    // A key of a kind that OpenSSL does not know.
    return false
  }
}

/**
 * A name as RFC 4514 writes it. node has one part on each line, the most general one first, with escapes for line ends and
 * for what RFC 4514 escapes. The value of a type that OpenSSL does not know is its text, not its DER.
 */
export function distinguishedName(lines: string | undefined): string {
  if (lines === undefined) return ''
  const parts = lines.split('\n')
  return parts
    .map((part) => part.replaceAll(' + ', '+'))
    .reverse()
    .join(',')
}

/** node writes `DNS:a.example, URI:"b, c"`: as a JSON string what could be taken for two names. */
const alternativeName = /(?:, )?([^:",]+):(?:("(?:[^"\\]|\\.)*")|([^",]*))/y

export function alternativeNames(text: string = ''): string[] {
  const names: string[] = []
  alternativeName.lastIndex = 0
  for (let found = alternativeName.exec(text); found !== null; found = alternativeName.exec(text)) {
    const [, kind = '', quoted, plain = ''] = found
    names.push(`${kind === 'IP Address' ? 'IP' : kind}:${quoted === undefined ? plain : unquoted(quoted)}`)
  }
  return names
}

function unquoted(json: string): string {
  try {
    return String(JSON.parse(json))
  } catch {
    return json
  }
}
