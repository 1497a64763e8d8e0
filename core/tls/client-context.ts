import { constants } from 'node:crypto'
import { isIP } from 'node:net'
import { type ConnectionOptions, checkServerIdentity, createSecureContext, type SecureContext } from 'node:tls'

/** TLS towards the backends of an upstream, checked: PEM texts, no files. */
export interface UpstreamTls {
  /** Authorities that a backend's certificate is verified against. Without it those that Node trusts. */
  readonly ca?: string
  /** The name that is sent to a backend (SNI) and that its certificate must have. Without it the host of the address. */
  readonly serverName?: string
  /** Certificate of the gateway and those of its intermediate authorities, for backends that ask for one; with `key`. */
  readonly cert?: string
  /** Not encrypted. */
  readonly key?: string
  readonly minVersion: '1.2' | '1.3'
  /** false: a backend's certificate is not verified. */
  readonly verify: boolean
  /** How a backend is asked for TLS; `undefined`: TLS from the first byte. */
  readonly starttls?: 'postgres'
}

/** What all connections to the backends of an upstream have in common; OpenSSL's part is made with the first one. */
export class ClientContext {
  readonly settings: UpstreamTls
  /** Protocols to offer (ALPN); empty: none is named. */
  readonly alpn: readonly string[]
  #secureContext: SecureContext | undefined

  /** @param alpn unless the way in which TLS begins names another protocol */
  constructor(settings: UpstreamTls, alpn: readonly string[]) {
    this.settings = settings
    this.alpn = settings.starttls === 'postgres' ? ['postgresql'] : alpn
  }

  /** The same for connections that offer only these protocols. */
  offering(alpn: readonly string[]): ClientContext {
    const other = new ClientContext(this.settings, alpn)
    other.#secureContext = this.secureContext
    return other
  }

  /** 0.7 ms and 32 KB, so there is one for all connections. */
  get secureContext(): SecureContext {
    this.#secureContext ??= newClientContext(this.settings)
    return this.#secureContext
  }

  /** For `tls.connect`. */
  optionsFor(host: string): ConnectionOptions {
    const name = this.#nameOf(host)
    return {
      secureContext: this.secureContext,
      rejectUnauthorized: this.settings.verify,
      // An IP address is verified, but never sent (RFC 6066 §3).
      host: name,
      ...(isIP(name) === 0 && { servername: name }),
    }
  }

  /** The same for what connects by itself, and sets the host. */
  optionsBeside(host: string): ConnectionOptions {
    const { host: name, ...options } = this.optionsFor(host)
    return { ...options, checkServerIdentity: (_host, certificate) => checkServerIdentity(name!, certificate) }
  }

  #nameOf(host: string): string {
    return this.settings.serverName ?? host.replace(/%.*$/, '')
  }
}

/** Makes OpenSSL's part of a context. @throws Error when it refuses something */
export function newClientContext({ ca, cert, key, minVersion }: Partial<UpstreamTls>): SecureContext {
  return createSecureContext({
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert, key }),
    minVersion: minVersion === '1.3' ? 'TLSv1.3' : 'TLSv1.2',
    // A backend could make the gateway begin again and again.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  })
}
