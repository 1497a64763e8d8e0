import type { ClientCertificate } from '../net/peer.ts'
import type { Fields } from './fields.ts'

/** The fields that tell a backend which certificate the client has proved to have (RFC 9440). */
const names = ['client-cert', 'client-cert-chain'] as const

/** Removes what anyone else says of the client's certificate. */
export function dropClientCert(fields: Fields): void {
  for (const name of names) fields.delete(name)
}

/** The values of each certificate: a client sends many requests with the same one, and base64 takes 1 µs for each KB. */
const encoded = new WeakMap<ClientCertificate, { readonly leaf: string; readonly chain: string }>()

/**
 * Adds Client-Cert, and Client-Cert-Chain if the client has sent certificates above its own. Only of one that is verified: a
 * backend takes the field for proof of who the client is.
 */
export function addClientCert(fields: Fields, certificate: ClientCertificate | undefined): void {
  if (certificate?.verified !== true) return
  let values = encoded.get(certificate)
  if (values === undefined) {
    values = { leaf: byteSequence(certificate.der), chain: certificate.chain.map(byteSequence).join(', ') }
    encoded.set(certificate, values)
  }
  fields.put(names[0], values.leaf)
  if (values.chain !== '') fields.put(names[1], values.chain)
}

/** RFC 9651 §3.3.5. */
function byteSequence(bytes: Buffer): string {
  return `:${bytes.toString('base64')}:`
}
