import type { Path } from '../config/problem.ts'
import type { ReferenceContext } from '../config/references.ts'
import { asObject } from '../config/untyped.ts'
import type { ClientCertificateConfig } from '../tls/server-config.ts'
import { newServerContext } from '../tls/server-context.ts'
import { elementsOf, timeOf } from './der.ts'
import type { Draft } from './draft.ts'
import { dayOf } from './expiry.ts'
import { pemOf, readAuthorities, readPem, textsAt } from './pem.ts'

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
  const warnOfEnd = (path: Path, end: number | undefined, what: string): void => {
    if (end === undefined || end > Date.now()) return
    warn(path, `${what} ended on ${dayOf(end)}: all clients of its authority are refused`)
  }
  const located = readAuthorities(draft, context, ca, [...at, 'ca'])
  for (const { certificate, path } of located)
    warnOfEnd(path, Date.parse(certificate.validTo), JSON.stringify(certificate.subject))
  const authorities = located.map(({ certificate }) => certificate)
  const lists = textsAt(crl, [...at, 'crl']).flatMap(([value, path]) => {
    const pem = readPem(draft, context, path, value)
    if (pem === undefined) return []
    const found = pem.text.match(list) ?? []
    if (found.length === 0) problem(path, `${pem.shown} holds no revocation list in PEM ("-----BEGIN X509 CRL-----")`)
    if (!found.every(isReadable)) problem(path, `${pem.shown} holds a revocation list that cannot be read`)
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
    ca: pemOf(located),
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
