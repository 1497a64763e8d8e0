import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { AcmeConfig } from '../acme/acme-config.ts'
import { acmeId } from '../acme/acme-id.ts'
import { formatPath, type Path } from '../config/problem.ts'
import type { ReferenceContext } from '../config/references.ts'
import { asObject } from '../config/untyped.ts'
import type { ManagedCertificate } from '../tls/managed-certificate.ts'
import type { Draft } from './draft.ts'
import { pemOf, readAuthorities } from './pem.ts'

/** What the schema has left of `acme` of a certificate. */
interface Written extends Omit<AcmeConfig, 'id' | 'ca'> {
  readonly ca?: string | readonly string[]
}

/** Judges what the certificates of all listeners say about their orders. */
export class AcmeCheck {
  readonly #draft: Draft
  readonly #context: ReferenceContext
  readonly #warn: (path: Path, message: string) => void
  readonly #known = new Map<string, { readonly config: AcmeConfig; readonly at: Path }>()
  #isInstalled: boolean | undefined

  constructor(draft: Draft, context: ReferenceContext, warn: (path: Path, message: string) => void) {
    this.#draft = draft
    this.#context = context
    this.#warn = warn
  }

  /** Each certificate once, however many listeners use it. */
  get configs(): readonly AcmeConfig[] {
    return [...this.#known.values()].map(({ config }) => config)
  }

  /** The certificate, if nothing is wrong with what orders it. */
  judge(value: unknown, at: Path): ManagedCertificate | undefined {
    const { source, problems } = this.#draft
    if (problems.touches(source, at)) return undefined
    const { names: written, email, storage, directory, ca, challenge } = value as Written
    const authorities = readAuthorities(this.#draft, this.#context, ca, [...at, 'ca'])
    this.#isInstalled ??= isInstalled()
    if (!this.#isInstalled && this.#context.mustExist)
      problems.add(source, at, 'needs the package acme-client, which is not installed: npm install acme-client@5')
    const names = written.map((name) => name.toLowerCase().replace(/\.$/, ''))
    const id = acmeId(directory, names)
    const folder = resolve(this.#context.folder, storage)
    const config = {
      id,
      names,
      email,
      storage: folder,
      directory,
      ...(ca !== undefined && { ca: pemOf(authorities) }),
      challenge,
    }
    const other = this.#known.get(id)
    if (other !== undefined && !isDeepStrictEqual({ ...other.config, names: [] }, { ...config, names: [] })) {
      const message = `the certificate for these names is ordered with other settings at ${formatPath(other.at)}; use the same`
      problems.add(source, at, message)
    }
    if (challenge === 'http-01' && !this.#hasHttpListener)
      this.#warn(
        [...at, 'challenge'],
        'the CA sends its request to port 80, but there is no listener with the protocol http',
      )
    if (problems.touches(source, at)) return undefined
    if (other === undefined) this.#known.set(id, { config, at })
    return { managed: id, names }
  }

  get #hasHttpListener(): boolean {
    return Object.values(asObject(this.#draft.data.listeners)).some((one) => asObject(one).protocol === 'http')
  }
}

function isInstalled(): boolean {
  try {
    import.meta.resolve('acme-client')
    return true
  } catch {
    return false
  }
}
