import { createHash } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import { ClientRules } from './client-rules.ts'
import type { IssuedCertificates, KeyPair, ManagedCertificate } from './managed-certificate.ts'
import type { ServerCertificate, ServerTlsConfig } from './server-config.ts'
import { type ContextSettings, newServerContext, resumes } from './server-context.ts'
import type { TicketKeys } from './ticket-keys.ts'

/** The certificates of one name, with the context that is made when the first client asks for it. */
interface Group {
  readonly certificates: (ServerCertificate | ManagedCertificate)[]
  /** Whether some come while the gateway runs. */
  isManaged: boolean
  /** Of those that there are. */
  present: readonly PresentCertificate[]
  /** Contexts with the same key are the same. */
  key: string
}

type PresentCertificate = Pick<ServerCertificate, 'id' | 'cert' | 'key' | 'staple'>

/** What a client is offered. */
export interface Offer {
  readonly context: SecureContext
  /** An OCSP response (DER) about the certificate. */
  readonly staple: Buffer | undefined
}

/** Which certificates a listener offers to which clients. */
export class ServerContexts {
  readonly config: ServerTlsConfig
  /** `undefined`: clients are not asked for certificates. */
  readonly clients: ClientRules | undefined
  readonly #settings: ContextSettings
  /** The part that the keys of all groups have in common: a hash, since revocation lists are long. */
  readonly #common: string
  readonly #exact = new Map<string, Group>()
  /** By the part of the name behind `*.`. */
  readonly #wildcard = new Map<string, Group>()
  readonly #default: Group
  readonly #made = new Map<string, SecureContext>()
  readonly #groups: ReadonlySet<Group>
  readonly #tickets: TicketKeys
  readonly #issued: IssuedCertificates

  /**
   * @param listener its name: sessions of one listener are not resumed by another
   * @param before of the previous configuration: contexts with the same certificates and settings are taken from it
   */
  constructor(
    listener: string,
    config: ServerTlsConfig,
    tickets: TicketKeys,
    issued: IssuedCertificates,
    before?: ServerContexts,
  ) {
    const { certificates, strict: _, ...settings } = config
    this.config = config
    this.#tickets = tickets
    this.clients = config.clientCertificate && new ClientRules(config.clientCertificate)
    this.#issued = issued
    this.#settings = { ...settings, sessionIdContext: sessionIdContextOf(listener, config) }
    const [first] = certificates
    for (const certificate of certificates) for (const name of certificate.names) this.#add(name, certificate)
    const named = first!.names[0]
    this.#default = (named === undefined ? undefined : this.#named(named)) ?? groupOf(first!)
    this.#groups = new Set([...this.#exact.values(), ...this.#wildcard.values(), this.#default])
    this.#common = createHash('sha256').update(JSON.stringify(this.#settings)).digest('hex')
    for (const group of this.#groups) {
      this.#complete(group)
      const kept = before === undefined ? undefined : before.#made.get(group.key)
      if (kept !== undefined) this.#made.set(group.key, kept)
    }
  }

  /** Those of the next configuration. */
  next(listener: string, config: ServerTlsConfig): ServerContexts {
    return config === this.config ? this : new ServerContexts(listener, config, this.#tickets, this.#issued, this)
  }

  /** Whether both judge the certificates of clients in the same way. */
  judgesAs({ config }: ServerContexts): boolean {
    return isDeepStrictEqual(rulesOf(config), rulesOf(this.config))
  }

  /**
   * What a client is offered.
   *
   * @param serverName in lower case; `undefined`: the client named none
   * @returns a text: why no certificate can be shown
   * @throws {Error} when OpenSSL refuses the certificates.
   */
  find(serverName: string | undefined): Offer | string {
    const group = serverName === undefined ? undefined : this.#matching(serverName)
    if (group === undefined && this.config.strict) {
      const named = serverName === undefined ? 'the client names no server' : `no certificate is for "${serverName}"`
      return `${named}, and the listener is strict`
    }
    const chosen = group ?? this.#default
    if (chosen.isManaged) this.#refresh(chosen)
    const { present, key } = chosen
    if (present.length === 0) return 'the certificate for this name has not been issued yet'
    let context = this.#made.get(key)
    if (context === undefined) {
      context = newServerContext(present, this.#settings)
      const { sessionIdContext, clientCertificate } = this.#settings
      if (resumes(this.#settings)) this.#tickets.apply(context, sessionIdContext, clientCertificate === undefined)
      this.#made.set(key, context)
    }
    return { context, staple: stapleOf(present) }
  }

  /** Finds out what a group consists of now. */
  #complete(group: Group): void {
    const { certificates } = group
    group.isManaged = certificates.some((certificate) => 'managed' in certificate)
    group.present = certificates.flatMap((certificate) => {
      return 'managed' in certificate ? (presentOf(this.#issued.certificate(certificate.managed)) ?? []) : certificate
    })
    group.key = `${group.present.map(({ id }) => id).join(' ')} ${this.#common}`
  }

  /** A certificate may have been issued since the last handshake: then the context of the one before is dropped. */
  #refresh(group: Group): void {
    const before = group.key
    this.#complete(group)
    if (group.key === before) return
    for (const { key } of this.#groups) if (key === before) return
    this.#made.delete(before)
  }

  #add(name: string, certificate: ServerCertificate | ManagedCertificate): void {
    const group = this.#named(name)
    if (group !== undefined) group.certificates.push(certificate)
    else if (name.startsWith('*.')) this.#wildcard.set(name.slice(2), groupOf(certificate))
    else this.#exact.set(name, groupOf(certificate))
  }

  /** @param name as a certificate names it */
  #named(name: string): Group | undefined {
    return name.startsWith('*.') ? this.#wildcard.get(name.slice(2)) : this.#exact.get(name)
  }

  /** RFC 9525 §6.3: a wildcard stands for one label. */
  #matching(name: string): Group | undefined {
    const dot = name.indexOf('.')
    return this.#exact.get(name) ?? (dot > 0 ? this.#wildcard.get(name.slice(dot + 1)) : undefined)
  }
}

/** With a certificate of each kind of key it is not known before the handshake which of them the client gets. */
function stapleOf([first, ...others]: readonly PresentCertificate[]): Buffer | undefined {
  const staple = others.length === 0 ? first?.staple : undefined
  return staple === undefined || staple.until < Date.now() ? undefined : Buffer.from(staple.response, 'base64')
}

function groupOf(certificate: ServerCertificate | ManagedCertificate): Group {
  return { certificates: [certificate], isManaged: false, present: [], key: '' }
}

const ids = new WeakMap<KeyPair, string>()

function presentOf(issued: KeyPair | undefined): PresentCertificate | undefined {
  if (issued === undefined) return undefined
  let id = ids.get(issued)
  if (id === undefined) {
    id = createHash('sha256').update(issued.cert).digest('hex')
    ids.set(issued, id)
  }
  const { cert, key } = issued
  return { id, cert, key }
}

/**
 * The same in all workers and after each start. A session that began under other rules may have a client that these refuse, or a
 * cipher: OpenSSL resumes a session of TLS 1.2 with the one that it began with.
 */
function sessionIdContextOf(listener: string, config: ServerTlsConfig): string {
  const rules = JSON.stringify([listener, rulesOf(config), config.ciphers, config.groups])
  return createHash('sha256').update(rules).digest('hex').slice(0, 32)
}

/** What decides about the certificate of a client. Whether backends get it does not. */
function rulesOf({ clientCertificate }: ServerTlsConfig): object | undefined {
  if (clientCertificate === undefined) return undefined
  const { forward: _, ...rules } = clientCertificate
  return rules
}
