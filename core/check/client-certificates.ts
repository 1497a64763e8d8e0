import type { Path } from '../config/problem.ts'
import type { ReferenceContext } from '../config/references.ts'
import { asObject } from '../config/untyped.ts'
import type { ClientCertificateConfig } from '../tls/server-config.ts'
import { newServerContext } from '../tls/server-context.ts'
import { elementsOf, timeOf } from './der.ts'
import type { Draft } from './draft.ts'
import { certificatesOf, readPem, textsAt } from './pem.ts'

const list = /-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g

/** Reads what a listener judges the certificates of clients by. */
export function readClientRules(
  draft: Draft,
  context: ReferenceContext,
  value: unknown,
  at: Path,
  warn: (path: Path, message: string) => void,
): ClientCertificateConfig {
  const { mode, ca, crl, depth, forward } = asObject(value)
  const problem = (path: Path, message: string): void => draft.problems.add(draft.source, path, message)
  const texts = <T>(name: string, entries: unknown, read: (pem: string, shown: string, path: Path) => T[]): T[] =>
    textsAt(entries, [...at, name]).flatMap(([text, path]) => {
      const pem = readPem(draft, context, path, text)
      return pem === undefined ? [] : read(pem.text, pem.shown, path)
    })
  const warnOfEnd = (path: Path, end: number | undefined, what: string): void => {
    if (end === undefined || end > Date.now()) return
    warn(path, `${what} ended on ${new Date(end).toISOString().slice(0, 10)}: all clients of its authority are refused`)
  }
  const authorities = texts('ca', ca, (text, shown, path) => {
    const found = certificatesOf({ text, shown })
    if (typeof found === 'string') problem(path, found)
    else for (const { subject, validTo } of found) warnOfEnd(path, Date.parse(validTo), JSON.stringify(subject))
    return typeof found === 'string' ? [] : found
  })
  const lists = texts('crl', crl, (text, shown, path) => {
    const found = text.match(list) ?? []
    if (found.length === 0) problem(path, `${shown} holds no revocation list in PEM ("-----BEGIN X509 CRL-----")`)
    if (!found.every(isReadable)) problem(path, `${shown} holds a revocation list that cannot be read`)
    else for (const one of found) warnOfEnd(path, endOf(one), 'the list')
    return found
  })
  const orphan =
    lists.length === 0 ? undefined : authorities.find((one) => !authorities.some((by) => one.checkIssued(by)))
  if (orphan !== undefined) {
    const message = `with "crl" the authority that issued ${JSON.stringify(orphan.subject)} is needed in "ca", too`
    problem([...at, 'ca'], message)
  }
  return {
    mode: mode as ClientCertificateConfig['mode'],
    ca: authorities.map(String).join(''),
    crl: lists,
    forward: forward === true,
    ...(depth !== undefined && { depth: depth as number }),
  }
}

function isReadable(crl: string): boolean {
  try {
    newServerContext([], {
      ...{ minVersion: '1.2', tickets: false, sessionIdContext: '' },
      clientCertificate: { mode: 'request', ca: '', crl: [crl], forward: false },
    })
    return true
  } catch {
    return false
  }
}

/** When a list has to have been replaced (RFC 5280 §5.1.2.5); `undefined`: it does not say, or not in DER, as OpenSSL allows. */
function endOf(crl: string): number | undefined {
  const der = Buffer.from(crl.replace(/-----[^-]+-----/g, ''), 'base64')
  try {
    const list = elementsOf(elementsOf(elementsOf(der)[0]!.content)[0]!.content)
    // Behind the version, which may be missing, the algorithm, the issuer, and when it was made.
    const next = list[list[0]!.tag === 2 ? 4 : 3]
    return next?.tag === 0x17 || next?.tag === 0x18 ? timeOf(next) : undefined
  } catch {
    return undefined
  }
}
