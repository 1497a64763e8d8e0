import type { IssuedCertificate } from './issued-certificate.ts'

/** A challenge of the CA that is under way, with what every worker of the host needs to answer it. */
export type Challenge = HttpChallenge | AlpnChallenge

/** RFC 8555 §8.3: answered on plain HTTP. */
export interface HttpChallenge {
  readonly type: 'http-01'
  readonly token: string
  /** The key authorization: the body of the answer. */
  readonly answer: string
}

/** RFC 8737: answered in a handshake. */
export interface AlpnChallenge {
  readonly type: 'tls-alpn-01'
  /** Server name of the handshake. */
  readonly name: string
  /** The certificate that proves it, and its key, PEM. */
  readonly cert: string
  readonly key: string
}

const wellKnown = '/.well-known/acme-challenge/'

/**
 * What a process knows of ACME: the certificates issued so far, and the challenges under way. It outlives configurations,
 * and an issued certificate needs no reload: the process that orders tells all others.
 */
export class AcmeState {
  readonly #certificates = new Map<string, IssuedCertificate>()
  readonly #answers = new Map<string, string>()
  readonly #proofs = new Map<string, AlpnChallenge>()

  /** Adds certificates, and replaces those with the same `id`. */
  install(certificates: readonly IssuedCertificate[]): void {
    for (const certificate of certificates) this.#certificates.set(certificate.id, certificate)
  }

  /** Forgets all certificates but these. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#certificates.keys()) if (!ids.has(id)) this.#certificates.delete(id)
  }

  /** `undefined`: none has been issued yet. */
  certificate(id: string): IssuedCertificate | undefined {
    return this.#certificates.get(id)
  }

  get certificates(): readonly IssuedCertificate[] {
    return [...this.#certificates.values()]
  }

  /** Replaces the challenges that are answered. */
  challenge(challenges: readonly Challenge[]): void {
    this.#answers.clear()
    this.#proofs.clear()
    for (const challenge of challenges) {
      if (challenge.type === 'http-01') this.#answers.set(challenge.token, challenge.answer)
      else this.#proofs.set(challenge.name, challenge)
    }
  }

  /**
   * The body of the answer to a request of the CA. `undefined` for all other requests: also those for unknown tokens, which a
   * backend may know that gets certificates itself.
   */
  answer(path: string): string | undefined {
    if (this.#answers.size === 0 || !path.startsWith(wellKnown)) return undefined
    return this.#answers.get(path.slice(wellKnown.length))
  }

  /** What proves to the CA, in a handshake that offers nothing but `acme-tls/1`, that the name leads here. */
  proof(serverName: string): AlpnChallenge | undefined {
    return this.#proofs.get(serverName)
  }
}
