import type { Path } from '../config/problem.ts'
import { layerOf } from '../config/protocols.ts'
import type { ReferenceContext } from '../config/references.ts'
import { asObject, asText } from '../config/untyped.ts'
import { newClientContext, type UpstreamTls } from '../tls/client-context.ts'
import type { Draft } from './draft.ts'
import { certificatesOf, pemOf, readAuthorities, readPem } from './pem.ts'
import { plainKey, readPrivateKey } from './private-key.ts'

/** Reads and judges the `tls` of each upstream that has one. */
export function checkUpstreamTls(draft: Draft, context: ReferenceContext): ReadonlyMap<string, UpstreamTls> {
  const checked = new Map<string, UpstreamTls>()
  for (const [name, upstream] of Object.entries(asObject(draft.data.upstreams))) {
    const { tls, protocol } = asObject(upstream)
    const path = ['upstreams', name, 'tls']
    if (tls === undefined || draft.problems.touches(draft.source, path)) continue
    if (layerOf(protocol) === 'L7' && asObject(tls).starttls !== undefined) {
      const message = `${protocol} backends begin with TLS; remove it`
      draft.problems.add(draft.source, [...path, 'starttls'], message)
    }
    checked.set(name, new UpstreamTlsCheck(draft, context, path).judge(asObject(tls)))
  }
  return checked
}

/** The `tls` of one upstream. What has a problem is left out. */
class UpstreamTlsCheck {
  readonly #draft: Draft
  readonly #context: ReferenceContext
  readonly #path: Path

  constructor(draft: Draft, context: ReferenceContext, path: Path) {
    this.#draft = draft
    this.#context = context
    this.#path = path
  }

  judge(tls: Readonly<Record<string, unknown>>): UpstreamTls {
    const { serverName, minVersion = '1.2', verify = true, starttls } = tls
    if (verify === false && tls.ca !== undefined) this.#add(['ca'], 'verifies nothing with "verify": false; remove one')
    const ca = this.#authorities(tls.ca)
    return {
      ...(ca !== undefined && { ca }),
      ...(typeof serverName === 'string' && { serverName: serverName.toLowerCase() }),
      ...this.#own(tls),
      minVersion: minVersion as UpstreamTls['minVersion'],
      verify: verify as boolean,
      ...(starttls === 'postgres' && { starttls }),
    }
  }

  #authorities(ca: unknown): string | undefined {
    if (ca === undefined) return undefined
    const all = pemOf(readAuthorities(this.#draft, this.#context, ca, [...this.#path, 'ca']))
    try {
      newClientContext({ ca: all })
    } catch (error) {
      this.#add(['ca'], `OpenSSL refuses it: ${(error as Error).message}`)
    }
    return all
  }

  /** What the gateway shows. */
  #own(tls: Readonly<Record<string, unknown>>): Pick<UpstreamTls, 'cert' | 'key'> {
    if (tls.cert !== undefined && tls.key === undefined) this.#add(['cert'], 'needs its private key; add "key"')
    if (tls.key !== undefined && tls.cert === undefined) this.#add(['key'], 'needs its certificate; add "cert"')
    if (tls.passphrase !== undefined && tls.key === undefined)
      this.#add(['passphrase'], 'decrypts "key", which is missing')
    const cert = this.#certificates(['cert'], tls.cert)
    const key = this.#key(tls.key, asText(tls.passphrase))
    if (cert === undefined || key === undefined) return {}
    try {
      // OpenSSL refuses the key of another certificate, and those that are too short.
      newClientContext({ cert, key })
      return { cert, key }
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH')
        this.#add(['key'], 'is not the key of the first certificate in "cert"')
      else this.#add(['cert'], `OpenSSL refuses it: ${message}`)
      return {}
    }
  }

  #key(text: unknown, passphrase: string | undefined): string | undefined {
    const pem = typeof text === 'string' ? this.#read(['key'], text) : undefined
    if (pem === undefined) return undefined
    const key = readPrivateKey(pem, passphrase)
    if (!('problem' in key)) return plainKey(key, pem, this.#context.secrets)
    this.#add([key.field], key.problem)
    return undefined
  }

  #certificates(at: Path, text: unknown): string | undefined {
    const pem = typeof text === 'string' ? this.#read(at, text) : undefined
    const list = pem && certificatesOf(pem)
    if (typeof list !== 'string') return list?.join('')
    this.#add(at, list)
    return undefined
  }

  #read(at: Path, text: string): ReturnType<typeof readPem> {
    return readPem(this.#draft, this.#context, [...this.#path, ...at], text)
  }

  #add(at: Path, problem: string): void {
    this.#draft.problems.add(this.#draft.source, [...this.#path, ...at], problem)
  }
}
