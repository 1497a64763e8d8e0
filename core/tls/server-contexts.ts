import { createHash } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import { ClientRules } from './client-rules.ts'
import type { ServerCertificate, ServerTlsConfig } from './server-config.ts'
import { type ContextSettings, newServerContext, resumes } from './server-context.ts'
import type { TicketKeys } from './ticket-keys.ts'

/** The certificates of one name, with the context that is made when the first client asks for it. */
interface Group {
  readonly certificates: ServerCertificate[]
  /** Contexts with the same key are the same. */
  key: string
}

/** Which certificates a listener offers to which clients. */
export class ServerContexts {
  readonly config: ServerTlsConfig
  /** `undefined`: clients are not asked for certificates. */
  readonly clients: ClientRules | undefined
  readonly #settings: ContextSettings
  readonly #exact = new Map<string, Group>()
  /** By the part of the name behind `*.`. */
  readonly #wildcard = new Map<string, Group>()
  readonly #default: Group
  readonly #made = new Map<string, SecureContext>()
  readonly #tickets: TicketKeys

  /**
   * @param listener its name: sessions of one listener are not resumed by another
   * @param before of the previous configuration: contexts with the same certificates and settings are taken from it
   */
  constructor(listener: string, config: ServerTlsConfig, tickets: TicketKeys, before?: ServerContexts) {
    const { certificates, strict: _, ...settings } = config
    this.config = config
    this.#tickets = tickets
    this.clients = config.clientCertificate && new ClientRules(config.clientCertificate)
    this.#settings = { ...settings, sessionIdContext: sessionIdContextOf(listener, config) }
    const [first] = certificates
    for (const certificate of certificates) for (const name of certificate.names) this.#add(name, certificate)
    const named = first!.names[0]
    this.#default = (named === undefined ? undefined : this.#named(named)) ?? { certificates: [first!], key: '' }
    const groups = new Set([...this.#exact.values(), ...this.#wildcard.values(), this.#default])
    const common = JSON.stringify(this.#settings)
    for (const group of groups) {
      group.key = `${group.certificates.map(({ id }) => id).join(' ')} ${common}`
      const kept = before === undefined ? undefined : before.#made.get(group.key)
      if (kept !== undefined) this.#made.set(group.key, kept)
    }
  }

  /** Those of the next configuration. */
  next(listener: string, config: ServerTlsConfig): ServerContexts {
    return config === this.config ? this : new ServerContexts(listener, config, this.#tickets, this)
  }

  /**
   * The context for a client.
   *
   * @param serverName in lower case; `undefined`: the client named none
   * @returns `undefined`: no certificate is for this name, and the listener is strict
   * @throws {Error} when OpenSSL refuses the certificates.
   */
  find(serverName: string | undefined): SecureContext | undefined {
    const group = serverName === undefined ? undefined : this.#matching(serverName)
    if (group === undefined && this.config.strict) return undefined
    const { certificates, key } = group ?? this.#default
    let context = this.#made.get(key)
    if (context === undefined) {
      context = newServerContext(certificates, this.#settings)
      const { sessionIdContext, clientCertificate } = this.#settings
      if (resumes(this.#settings)) this.#tickets.apply(context, sessionIdContext, clientCertificate === undefined)
      this.#made.set(key, context)
    }
    return context
  }

  #add(name: string, certificate: ServerCertificate): void {
    const group = this.#named(name)
    if (group !== undefined) group.certificates.push(certificate)
    else if (name.startsWith('*.')) this.#wildcard.set(name.slice(2), { certificates: [certificate], key: '' })
    else this.#exact.set(name, { certificates: [certificate], key: '' })
  }

  /** @param name as a certificate names it */
  #named(name: string): Group | undefined {
    return name.startsWith('*.') ? this.#wildcard.get(name.slice(2)) : this.#exact.get(name)
  }

  /** RFC 9525 §6.3: a wildcard stands for one label. */
  #matching(name: string): Group | undefined {
    return this.#exact.get(name) ?? this.#wildcard.get(name.slice(name.indexOf('.') + 1))
  }
}

/** The same in all workers and after each start. A session that began under other rules may have a client that these refuse. */
function sessionIdContextOf(listener: string, { clientCertificate }: ServerTlsConfig): string {
  const rules = JSON.stringify([listener, clientCertificate])
  return createHash('sha256').update(rules).digest('hex').slice(0, 32)
}
