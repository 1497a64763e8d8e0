import type { X509Certificate } from 'node:crypto'

/** The host names of a certificate, in lower case: those of its subjectAltName. Clients do not look at its subject. */
export function namesOf(certificate: X509Certificate): string[] {
  const names: string[] = []
  // Node quotes a name with characters that would be mistaken for the end of it: such a name is no host.
  for (const [, name = ''] of (certificate.subjectAltName ?? '').matchAll(/(?:^|, )DNS:([^",]+)(?=, |$)/g)) {
    const plain = name.toLowerCase().replace(/\.$/, '')
    if (/^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(plain)) names.push(plain)
  }
  return [...new Set(names)]
}

const kinds: ReadonlyMap<string | undefined, string> = new Map([
  ['rsa', 'RSA'],
  ['ec', 'EC'],
  ['ed25519', 'Ed25519'],
  ['ed448', 'Ed448'],
  ['rsa-pss', 'RSA-PSS'],
])

/** Kind of its key: OpenSSL holds one certificate of each for a name. `undefined`: one that TLS does not use, or a broken one. */
export function kindOf(certificate: X509Certificate): string | undefined {
  try {
    return kinds.get(certificate.publicKey.asymmetricKeyType)
  } catch {
    return undefined
  }
}

/** Whether it may only be used for other purposes than servers (RFC 5280 §4.2.1.12). */
export function isNotForServers(certificate: X509Certificate): boolean {
  // The types of node do not say that it is missing where the certificate does not restrict it.
  const purposes = certificate.keyUsage as string[] | undefined
  return purposes !== undefined && !purposes.some((oid) => oid === '1.3.6.1.5.5.7.3.1' || oid === '2.5.29.37.0')
}
