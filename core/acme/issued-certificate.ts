import { createPrivateKey, X509Certificate } from 'node:crypto'

/** A private key and its certificates. */
export interface Bundle {
  /** The certificate and those of its issuers, PEM. */
  readonly cert: string
  /** Its private key, PEM. */
  readonly key: string
}

/** A certificate that a CA has issued by ACME, as all workers of a host use it. */
export interface IssuedCertificate extends Bundle {
  /** The `id` of the configuration entry that it was ordered for, or that it serves until that order succeeds. */
  readonly id: string
  /** True when it was ordered for another entry, and only serves until the right one is issued. */
  readonly interim?: true
}

/** What is read off a certificate to plan its renewal. */
export interface CertificateFacts {
  /** ms since 1970. */
  readonly validFrom: number
  readonly validTo: number
  /** SHA-256, hexadecimal. */
  readonly fingerprint: string
}

const blocks = /-----BEGIN ([A-Z ]+)-----[\s\S]*?-----END \1-----/g

/**
 * Splits a PEM file with a private key and the chain of its certificate.
 *
 * @throws {Error} when a part is missing or broken, or the key belongs to another certificate.
 */
export function splitBundle(text: string): Bundle {
  const found = [...text.matchAll(blocks)].map(([block, label]) => ({ block: `${block}\n`, label }))
  const key = found.find(({ label }) => label!.endsWith('PRIVATE KEY'))?.block
  const chain = found.filter(({ label }) => label === 'CERTIFICATE').map(({ block }) => block)
  if (key === undefined) throw new Error('it has no private key')
  if (chain.length === 0) throw new Error('it has no certificate')
  const [leaf] = chain.map((block) => new X509Certificate(block))
  if (!leaf!.checkPrivateKey(createPrivateKey(key))) throw new Error('its private key belongs to another certificate')
  return { cert: chain.join(''), key }
}

/** @param cert PEM; the first certificate counts. */
export function factsOf(cert: string): CertificateFacts {
  const leaf = new X509Certificate(cert)
  return {
    validFrom: leaf.validFromDate.getTime(),
    validTo: leaf.validToDate.getTime(),
    fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
  }
}

/** How many of the names a certificate is valid for. */
export function namesCovered(cert: string, names: readonly string[]): number {
  const leaf = new X509Certificate(cert)
  return names.filter((name) => leaf.checkHost(name) !== undefined).length
}
