import { constants } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { KeyPair } from './managed-certificate.ts'
import type { ServerTlsConfig } from './server-config.ts'

/** What a context is made of, beside its certificates. */
export interface ContextSettings extends Omit<ServerTlsConfig, 'certificates' | 'strict'> {
  /** Sessions are resumed only where it is the same: at most 32 characters. Node's own differs from process to process. */
  readonly sessionIdContext: string
}

/** Whether sessions are resumed. A session that is resumed does not know the certificates between the client's and an authority. */
export function resumes({ tickets, clientCertificate }: ContextSettings): boolean {
  return tickets && clientCertificate?.depth === undefined
}

/**
 * A context of OpenSSL for certificates of one name, one of each kind of key: takes 0.7 ms, and 32 KB of memory.
 *
 * @throws {Error} when OpenSSL refuses a certificate or a setting.
 */
export function newServerContext(certificates: readonly KeyPair[], settings: ContextSettings): SecureContext {
  const { minVersion, ciphers, groups, clientCertificate: clients, sessionIdContext } = settings
  const secureOptions = constants.SSL_OP_NO_RENEGOTIATION | (resumes(settings) ? 0 : constants.SSL_OP_NO_TICKET)
  return createSecureContext({
    cert: certificates.map(({ cert }) => cert),
    key: certificates.map(({ key }) => key),
    // Without any node would load all that its clients trust.
    ca: clients === undefined ? [] : [clients.ca],
    // An authority may be one below a root.
    allowPartialTrustChain: true,
    ...(clients !== undefined && clients.crl.length > 0 && { crl: [...clients.crl] }),
    minVersion: `TLSv${minVersion}`,
    ...(ciphers !== undefined && { ciphers }),
    ...(groups !== undefined && { ecdhCurve: groups }),
    secureOptions,
    ...(sessionIdContext !== '' && { sessionIdContext }),
  })
}

/** Asks OpenSSL whether it takes certificates with their keys: in one context for all, for making one takes ten times as long. */
export class CertificateTrial {
  readonly #context = createSecureContext({ ca: [] }).context as NativeContext

  /** @throws {Error} when it does not, as one that is too weak. */
  take({ cert, key }: KeyPair): void {
    this.#context.setCert(cert)
    this.#context.setKey(key)
  }
}

/** What `createSecureContext` calls for its options. */
interface NativeContext {
  setCert(pem: string): void
  setKey(pem: string): void
}
