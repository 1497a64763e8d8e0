import { X509Certificate } from 'node:crypto'
import type { Path } from '../config/problem.ts'
import { type ReferenceContext, readReferenced } from '../config/references.ts'
import type { Draft } from './draft.ts'

/** The texts of a key that is one text or a list, each with its path. */
export function textsAt(value: unknown, at: Path): [text: string, path: Path][] {
  const entries: [unknown, Path][] = Array.isArray(value) ? value.map((one, i) => [one, [...at, i]]) : [[value, at]]
  return entries.flatMap(([one, path]) => (typeof one === 'string' ? [[one, path]] : []))
}

/** What a text holds that is PEM, or names a file with it. */
export interface Pem {
  readonly text: string
  /** How messages and redacted texts name it. */
  readonly shown: string
}

/**
 * Reads a value that is PEM itself (it begins with `-----BEGIN`), or else the name of a file relative to the configuration.
 *
 * @returns `undefined`: a problem has been added, or the file may be missing here (`check --no-secrets`).
 */
export function readPem(draft: Draft, context: ReferenceContext, path: Path, value: string): Pem | undefined {
  if (value.trimStart().startsWith('-----BEGIN ')) return { text: value, shown: 'this text' }
  const found = readReferenced(value, context)
  if ('value' in found) return { text: found.value, shown: JSON.stringify(value) }
  if (found.isMissing !== true || context.mustExist) draft.problems.add(draft.source, path, found.problem)
  return undefined
}

/** A certificate, and where the configuration has it. */
interface Located {
  readonly certificate: X509Certificate
  readonly path: Path
}

/** The certificates of authorities that a key names: one file or PEM text, or several. What is wrong with them has been added. */
export function readAuthorities(draft: Draft, context: ReferenceContext, value: unknown, at: Path): Located[] {
  return textsAt(value, at).flatMap(([text, path]) => {
    const pem = readPem(draft, context, path, text)
    const found = pem && certificatesOf(pem)
    if (typeof found !== 'string') return (found ?? []).map((certificate) => ({ certificate, path }))
    draft.problems.add(draft.source, path, found)
    return []
  })
}

/** PEM of all of them. */
export function pemOf(certificates: readonly Located[]): string {
  return certificates.map(({ certificate }) => certificate.toString()).join('')
}

const certificate = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]+-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g

/** The certificates in a PEM text, in order; a text says what is wrong. */
export function certificatesOf({ text, shown }: Pem): X509Certificate[] | string {
  const blocks = text.match(certificate) ?? []
  if (blocks.length === 0)
    return `${shown} holds no certificate in PEM ("-----BEGIN CERTIFICATE-----"); convert DER with "openssl x509 -inform der"`
  try {
    return blocks.map((block) => new X509Certificate(block))
  } catch (error) {
    return `${shown} holds a certificate that cannot be read: ${(error as Error).message}`
  }
}
