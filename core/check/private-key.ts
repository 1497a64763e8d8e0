import { createPrivateKey, type KeyObject } from 'node:crypto'
import type { Secrets } from '../config/secrets.ts'
import type { Pem } from './pem.ts'

const block = /-----BEGIN [A-Z ]*PRIVATE KEY-----\s*([\s\S]+?)\s*-----END [A-Z ]*PRIVATE KEY-----/

/** Reads a private key. When that fails it says what is wrong, and with which field. */
export function readPrivateKey(
  { text, shown }: Pem,
  passphrase: string | undefined,
): KeyObject | { readonly field: 'key' | 'passphrase'; readonly problem: string } {
  const [pem] = block.exec(text) ?? []
  if (pem === undefined) {
    return { field: 'key', problem: `${shown} holds no private key in PEM ("-----BEGIN PRIVATE KEY-----")` }
  }
  const isEncrypted = /ENCRYPTED/.test(pem)
  if (isEncrypted && passphrase === undefined) {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference of a configuration
    return { field: 'key', problem: 'the key is encrypted; add "passphrase": "${env:NAME}"' }
  }
  try {
    return createPrivateKey(passphrase === undefined ? pem : { key: pem, passphrase })
  } catch (error) {
    if (isEncrypted) return { field: 'passphrase', problem: `it does not decrypt the key in ${shown}` }
    return { field: 'key', problem: `${shown} holds a key that cannot be read: ${(error as Error).message}` }
  }
}

/** The key as PEM without encryption. No message may contain it, in this form and as it was written. */
export function plainKey(key: KeyObject, { text, shown }: Pem, secrets: Secrets): string {
  const plain = key.export({ type: 'pkcs8', format: 'pem' }) as string
  for (const one of [text, plain]) {
    // Without the first and the last line, which every key has.
    const body = block.exec(one)?.[1]
    if (body !== undefined) secrets.add(body, `the key in ${shown}`)
  }
  return plain
}
