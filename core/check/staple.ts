import { X509Certificate } from 'node:crypto'
import type { Path } from '../config/problem.ts'
import { type ReferenceContext, readReferenced } from '../config/references.ts'
import type { ManagedCertificate } from '../tls/managed-certificate.ts'
import type { ServerCertificate, Staple } from '../tls/server-config.ts'
import type { Draft } from './draft.ts'
import { readOcsp } from './ocsp.ts'
import { textsAt } from './pem.ts'

type Certificates = readonly (ServerCertificate | ManagedCertificate)[]

/** Gives each certificate the OCSP response about it. */
export function stapled(
  { source, problems }: Draft,
  context: ReferenceContext,
  certificates: Certificates,
  files: unknown,
  at: Path,
  warn: (path: Path, message: string) => void,
): Certificates {
  const staples = new Map<string, Staple>()
  for (const [file, path] of textsAt(files, at)) {
    const found = readReferenced(file, context, false)
    if ('problem' in found) {
      if (found.isMissing !== true || context.mustExist) problems.add(source, path, found.problem)
      continue
    }
    const der = Buffer.from(found.value, 'latin1')
    const said = readOcsp(der)
    const problem = typeof said === 'string' ? said : statusProblem(said.status, said.from)
    if (typeof said === 'string' || problem !== undefined) problems.add(source, path, problem!)
    else if (said.until < Date.now()) warn(path, `it held until ${new Date(said.until).toISOString()}: it is not sent`)
    else if (certificates.some((one) => 'cert' in one && serialOf(one) === said.serial))
      staples.set(said.serial, { response: der.toString('base64'), until: said.until })
    else problems.add(source, path, 'it is about none of the certificates')
  }
  if (staples.size === 0) return certificates
  return certificates.map((one) => {
    const staple = 'cert' in one ? staples.get(serialOf(one)) : undefined
    return staple === undefined ? one : { ...one, staple }
  })
}

function statusProblem(status: string, from: number): string | undefined {
  if (status !== 'good') return `it says that the certificate is ${status}`
  return from > Date.now() ? 'it holds only from a later time on; is the clock right?' : undefined
}

function serialOf({ cert }: Pick<ServerCertificate, 'cert'>): string {
  return new X509Certificate(cert).serialNumber.replace(/^0+/, '')
}
