import type { ClientCertificate } from '../net/peer.ts'
import { type Fields, shorten } from './fields.ts'

/** The fields that tell a backend which certificate the client has proved to have (RFC 9440). */
const leafName = 'client-cert'
const chainName = 'client-cert-chain'

/** Removes what anyone else says of the client's certificate, also in spellings with underscores. */
export function dropClientCert({ list }: Fields): void {
  let kept = 0
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!
    if (name.charCodeAt(0) === 0x63 && isClientCert(name)) continue
    list[kept] = name
    list[kept + 1] = list[i + 1]!
    kept += 2
  }
  shorten(list, kept)
}

function isClientCert(name: string): boolean {
  if (name.length !== leafName.length && name.length !== chainName.length) return false
  const dashed = name.replaceAll('_', '-')
  return dashed === leafName || dashed === chainName
}

/** The values of each certificate: a client sends many requests with the same one. */
const encoded = new WeakMap<ClientCertificate, { readonly leaf: string; readonly chain: string }>()

/**
 * Adds Client-Cert, and Client-Cert-Chain if certificates above it are known. Only of one that is verified: a backend takes
 * the field for proof of who the client is.
 */
export function addClientCert(fields: Fields, certificate: ClientCertificate | undefined): void {
  if (certificate?.verified !== true) return
  let values = encoded.get(certificate)
  if (values === undefined) {
    values = { leaf: byteSequence(certificate.der), chain: certificate.chain.map(byteSequence).join(', ') }
    encoded.set(certificate, values)
  }
  fields.put(leafName, values.leaf)
  if (values.chain !== '') fields.put(chainName, values.chain)
}

/** RFC 9651 §3.3.5. */
function byteSequence(bytes: Buffer): string {
  return `:${bytes.toString('base64')}:`
}
