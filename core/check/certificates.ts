import { createHash, type X509Certificate } from 'node:crypto'
import type { Path } from '../config/problem.ts'
import type { ReferenceContext } from '../config/references.ts'
import { asObject, asText } from '../config/untyped.ts'
import { isNotForServers, kindOf, namesOf } from '../tls/certificate.ts'
import type { ManagedCertificate } from '../tls/managed-certificate.ts'
import type { ServerCertificate } from '../tls/server-config.ts'
import { CertificateTrial } from '../tls/server-context.ts'
import type { AcmeCheck } from './acme.ts'
import type { Draft } from './draft.ts'
import { dayOf, expiryOf } from './expiry.ts'
import { certificatesOf, readPem } from './pem.ts'
import { plainKey, readPrivateKey } from './private-key.ts'

const makeOne =
  '"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout web.key -out web.crt -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=CA:FALSE" makes one for trials'

/** Reads the certificates of one listener, and judges each of them. */
export class CertificateCheck {
  readonly #draft: Draft
  readonly #context: ReferenceContext
  readonly #acme: AcmeCheck
  readonly #warn: (path: Path, message: string) => void
  readonly #trial = new CertificateTrial()
  /** Index of the certificate, by name and kind of key. */
  readonly #taken = new Map<string, number>()

  constructor(draft: Draft, context: ReferenceContext, acme: AcmeCheck, warn: (path: Path, message: string) => void) {
    this.#draft = draft
    this.#context = context
    this.#acme = acme
    this.#warn = warn
  }

  /** The certificate, if nothing is wrong with it. */
  judge(value: unknown, at: Path, index: number): ServerCertificate | ManagedCertificate | undefined {
    if (asObject(value).acme !== undefined) return this.#ordered(asObject(value), at, index)
    const { cert, key, passphrase, names } = asObject(value)
    const { source, problems } = this.#draft
    if (typeof cert !== 'string' || typeof key !== 'string' || problems.touches(source, at)) return undefined
    const file = readPem(this.#draft, this.#context, [...at, 'cert'], cert)
    const keyFile = readPem(this.#draft, this.#context, [...at, 'key'], key)
    const chain = file && certificatesOf(file)
    if (typeof chain === 'string') return this.#problem([...at, 'cert'], chain)
    const leaf = chain?.[0]
    const kind = leaf && this.#leaf(leaf, chain!, [...at, 'cert'])
    const own = keyFile && readPrivateKey(keyFile, asText(passphrase))
    if (own !== undefined && 'problem' in own) return this.#problem([...at, own.field], own.problem)
    if (leaf === undefined || kind === undefined || own === undefined || keyFile === undefined) return undefined
    if (!leaf.checkPrivateKey(own)) {
      const message = `${keyFile.shown} is not the key of the first certificate in ${file!.shown}`
      return this.#problem([...at, 'key'], message)
    }
    const all = Array.isArray(names) ? names.map((name: string) => name.toLowerCase()) : namesOf(leaf)
    if (!this.#take(all, kind, [...at, Array.isArray(names) ? 'names' : 'cert'], index)) return undefined
    return this.#made(
      { names: all, kind, cert: chain!.join(''), key: plainKey(own, keyFile, this.#context.secrets) },
      at,
    )
  }

  #ordered(value: Readonly<Record<string, unknown>>, at: Path, index: number): ManagedCertificate | undefined {
    const { acme, ...others } = value
    for (const name of Object.keys(others))
      this.#problem([...at, name], 'does not go with "acme", which orders key and certificate; remove one of them')
    const ordered = this.#acme.judge(acme, [...at, 'acme'])
    if (ordered === undefined || !this.#take(ordered.names, 'EC', [...at, 'acme', 'names'], index)) return undefined
    return ordered
  }

  /** @returns the kind of its key */
  #leaf(leaf: X509Certificate, chain: readonly X509Certificate[], at: Path): string | undefined {
    const from = Date.parse(leaf.validFrom)
    const expiry = expiryOf(Date.parse(leaf.validTo))
    if (expiry?.isOver === true) return this.#problem(at, expiry.message)
    if (from > Date.now())
      return this.#problem(at, `the certificate is valid only from ${dayOf(from)} on; is the clock right?`)
    if (expiry !== undefined) this.#warn(at, expiry.message)
    if (leaf.ca) {
      const isAlone = chain.length === 1 && leaf.checkIssued(leaf) && namesOf(leaf).length > 0
      if (!isAlone)
        return this.#problem(at, `the first certificate is that of a CA; put that of the server first. ${makeOne}`)
      this.#warn(at, `the certificate is also that of a CA (CA:TRUE): with its key others can be issued. ${makeOne}`)
    }
    if (isNotForServers(leaf)) {
      return this.#problem(at, 'the certificate is not for servers: its extendedKeyUsage has no serverAuth')
    }
    const next = chain[1]
    if (next !== undefined && !leaf.checkIssued(next)) {
      this.#warn(at, 'the second certificate did not issue the first; put those that issued it behind it, in order')
    }
    return kindOf(leaf) ?? this.#problem(at, 'the certificate has a kind of key that TLS does not use')
  }

  #take(names: readonly string[], kind: string, at: Path, index: number): boolean {
    if (names.length === 0 && index > 0) {
      this.#problem(at, 'the certificate is for no host name (it has no subjectAltName); add "names"')
      return false
    }
    if (names.length === 0) this.#warn(at, 'the certificate is for no host name (it has no subjectAltName)')
    for (const name of names) {
      const other = this.#taken.get(`${kind} ${name}`)
      if (other !== undefined) {
        const message = `"${name}" already has a certificate with this kind of key (${kind}): [${other}]; keep one, or give each its "names"`
        this.#problem(at, message)
        return false
      }
    }
    for (const name of names) this.#taken.set(`${kind} ${name}`, index)
    return true
  }

  #made(parts: Omit<ServerCertificate, 'id'>, at: Path): ServerCertificate | undefined {
    const id = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)
    const made = { id, ...parts }
    try {
      this.#trial.take(made)
      return made
    } catch (error) {
      return this.#problem([...at, 'cert'], `OpenSSL refuses the certificate: ${(error as Error).message}`)
    }
  }

  #problem(path: Path, message: string): undefined {
    this.#draft.problems.add(this.#draft.source, path, message)
  }
}
