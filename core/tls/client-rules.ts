import { X509Certificate } from 'node:crypto'
import type { ClientCertificate } from '../net/peer.ts'
import type { ClientCertificateConfig } from './server-config.ts'

const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** What a listener asks of the certificates of its clients, beside what OpenSSL verifies. */
export class ClientRules {
  readonly isRequired: boolean
  readonly authorities: readonly X509Certificate[]
  readonly #depth: number | undefined

  constructor({ mode, ca, depth }: ClientCertificateConfig) {
    this.isRequired = mode === 'require'
    this.authorities = (ca.match(certificate) ?? []).map((pem) => new X509Certificate(pem))
    this.#depth = depth
  }

  /** @param chain the issuer of a certificate that OpenSSL has verified, then the issuer of that, … */
  depthProblem(own: Buffer, chain: () => readonly Buffer[]): string | undefined {
    if (this.#depth === undefined) return undefined
    const above = [own, ...chain()].findIndex((der) => this.authorities.some(({ raw }) => raw.equals(der)))
    // The certificate itself may be the authority.
    if (above !== -1 && above <= this.#depth + 1) return undefined
    return `more than ${this.#depth} certificates are between it and an authority`
  }

  /** Why a client is refused after its handshake. OpenSSL has refused those without a certificate where one is required. */
  refusalOf(client: ClientCertificate | undefined): string | undefined {
    if (!this.isRequired || client?.verified === true) return undefined
    return client?.problem ?? 'the client has not shown one'
  }
}
