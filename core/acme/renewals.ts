import { isDeepStrictEqual } from 'node:util'
import type { AcmeConfig } from './acme-config.ts'
import { AcmeProblem } from './acme-problem.ts'
import type { AcmeState, Challenge } from './acme-state.ts'
import { type Bundle, factsOf, type IssuedCertificate } from './issued-certificate.ts'
import { renewalAt, retryDelay, shortestInterval } from './schedule.ts'
import { type AcmeLog, AcmeStorage } from './storage.ts'

/** Everything that one order needs. */
export interface OrderJob {
  readonly config: AcmeConfig
  readonly log: AcmeLog
  /** Resolves when every worker of the host answers these challenges, and no others. They end with the order. */
  challenge(challenges: readonly Challenge[]): Promise<void>
  /** Aborted when the order must end. */
  readonly signal: AbortSignal
}

/** The process that orders, as its renewals see it. */
export interface RenewalsHost {
  readonly log: AcmeLog
  readonly state: AcmeState
  /** Orders a certificate. */
  order(job: OrderJob): Promise<Bundle>
  challenge(challenges: readonly Challenge[]): Promise<void>
  /** A certificate is on disk: every worker is to use it. */
  onIssued(certificate: IssuedCertificate): void
}

/** Longest time of one order, ms. */
const orderLimit = 5 * 60_000
/** Longest sleep, ms: timers run late when the machine was suspended, and the clock may be set. */
const longestSleep = 60 * 60_000

/** Why an order ended that another worker makes, or that the configuration no longer has. */
const abandoned = new Error('the order was abandoned')

interface Entry {
  readonly config: AcmeConfig
  readonly storage: AcmeStorage
  failures: number
  /** The next order is not earlier, ms since 1970. */
  notBefore: number
}

/**
 * Orders certificates when they are due, one after the other, while this process is the one of its host that does so. A
 * failure changes nothing but the time of the next try: the certificate in use stays.
 */
export class Renewals {
  readonly #host: RenewalsHost
  #entries: readonly Entry[] = []
  #leading = false
  #underWay: { readonly entry: Entry; readonly ending: AbortController } | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(host: RenewalsHost) {
    this.#host = host
  }

  /** A configuration is in force, with these entries. Reads again what is on disk about failures. */
  adopt(configs: readonly AcmeConfig[]): void {
    this.#host.state.keep(new Set(configs.map(({ id }) => id)))
    const underWay = this.#underWay?.entry
    this.#entries = configs.map((config) =>
      underWay !== undefined && isDeepStrictEqual(underWay.config, config) ? underWay : this.#entryOf(config),
    )
    if (underWay !== undefined && !this.#entries.includes(underWay)) this.#abandon()
    this.#wake()
  }

  /** Whether this process orders. One that loses this abandons the order under way. */
  lead(on: boolean): void {
    this.#leading = on
    if (on) return this.#wake()
    clearTimeout(this.#timer)
    this.#abandon()
  }

  close(): void {
    this.lead(false)
  }

  #abandon(): void {
    this.#underWay?.ending.abort(abandoned)
  }

  #entryOf(config: AcmeConfig): Entry {
    const entry: Entry = { config, storage: new AcmeStorage(config, this.#host.log), failures: 0, notBefore: 0 }
    this.#readFailures(entry)
    return entry
  }

  #readFailures(entry: Entry): void {
    try {
      const failures = entry.storage.failures()
      entry.failures = failures?.count ?? 0
      // The worker that ordered has died, or the gateway has been replaced. Not again and again: the order may be the cause.
      const mayRepeat = failures?.underWay && failures.count === 1
      entry.notBefore = mayRepeat ? 0 : (failures?.retryAt ?? 0)
    } catch {
      // The order will fail for the same reason, and say so.
    }
  }

  /** When an entry is due, ms since 1970. */
  #dueAt({ config, notBefore }: Entry): number {
    const certificate = this.#host.state.certificate(config.id)
    const needed = certificate === undefined || certificate.interim === true ? 0 : renewalAt(factsOf(certificate.cert))
    return Math.max(needed, notBefore)
  }

  #wake(): void {
    clearTimeout(this.#timer)
    if (!this.#leading || this.#underWay !== undefined || this.#entries.length === 0) return
    const next = this.#entries.reduce((a, b) => (this.#dueAt(b) < this.#dueAt(a) ? b : a))
    const wait = this.#dueAt(next) - Date.now()
    if (wait <= 0) return void this.#renew(next)
    this.#timer = setTimeout(() => this.#wake(), Math.min(wait, longestSleep)).unref()
  }

  async #renew(entry: Entry): Promise<void> {
    const ending = new AbortController()
    const { signal } = ending
    this.#underWay = { entry, ending }
    const late = new AcmeProblem(`the CA has not issued it within ${orderLimit / 60_000} minutes`)
    const limit = setTimeout(() => ending.abort(late), orderLimit).unref()
    try {
      const stored = this.#storedMeanwhile(entry)
      if (stored === undefined) await this.#orderNew(entry, signal)
      else this.#host.onIssued(stored)
    } catch (error) {
      if (signal.reason !== abandoned) await this.#failed(entry, signal.aborted ? signal.reason : error)
    } finally {
      clearTimeout(limit)
      this.#underWay = undefined
    }
    this.#wake()
  }

  /** The certificate on disk, if it is newer than the one in use: of a worker that died before it could tell. */
  #storedMeanwhile({ config, storage }: Entry): IssuedCertificate | undefined {
    const stored = storage.certificate()
    if (stored === undefined || stored.interim) return undefined
    if (stored.cert === this.#host.state.certificate(config.id)?.cert) return undefined
    return renewalAt(factsOf(stored.cert)) > Date.now() ? stored : undefined
  }

  async #orderNew(entry: Entry, signal: AbortSignal): Promise<void> {
    const { config, storage } = entry
    const { log } = this.#host
    // Counts as a failure until it has succeeded: one that crashes the gateway is not repeated at once.
    await storage.saveFailures({
      count: entry.failures + 1,
      retryAt: Math.round(Date.now() + retryDelay(entry.failures + 1)),
      problem: 'the gateway ended during the order',
      underWay: true,
    })
    const bundle = await this.#order(entry, signal)
    const facts = factsOf(bundle.cert)
    if (facts.validTo <= Date.now())
      throw new AcmeProblem('the CA issued a certificate that has expired by the clock of this machine; set the clock')
    await storage.saveCertificate(bundle)
    await storage.saveFailures(undefined)
    entry.failures = 0
    entry.notBefore = Date.now() + shortestInterval(facts)
    this.#host.onIssued({ id: config.id, ...bundle })
    log.info('certificate issued', {
      names: config.names,
      until: iso(facts.validTo),
      renewal: iso(Math.max(renewalAt(facts), entry.notBefore)),
    })
  }

  async #order({ config }: Entry, signal: AbortSignal): Promise<Bundle> {
    let challenged = false
    const challenge = async (challenges: readonly Challenge[]): Promise<void> => {
      signal.throwIfAborted()
      challenged = true
      await this.#host.challenge(challenges)
    }
    try {
      return await this.#host.order({ config, log: this.#host.log, challenge, signal })
    } finally {
      // Not awaited: the certificate is more urgent.
      if (challenged) void this.#host.challenge([])
    }
  }

  async #failed(entry: Entry, error: unknown): Promise<void> {
    const { config, storage } = entry
    const { log, state } = this.#host
    const problem = error instanceof Error ? error.message : String(error)
    entry.failures++
    const delay = retryDelay(entry.failures, error instanceof AcmeProblem ? error.retryAfter : undefined)
    entry.notBefore = Math.round(Date.now() + delay)
    try {
      await storage.saveFailures({ count: entry.failures, retryAt: entry.notBefore, problem })
    } catch (unwritable) {
      log.warn('acme: failures cannot be stored', { problem: (unwritable as Error).message })
    }
    const kept = state.certificate(config.id)
    log.error('certificate not issued', {
      names: config.names,
      problem,
      inUse: kept === undefined ? 'none: handshakes for these names fail' : keptUntil(kept),
      failures: entry.failures,
      retryAt: iso(entry.notBefore),
      retryNow: `remove ${storage.failuresFile} and reload`,
    })
  }
}

function keptUntil({ cert, interim }: IssuedCertificate): string {
  const { validTo } = factsOf(cert)
  const which = interim ? 'a stored one for some of the names' : 'the previous one'
  return `${which}, ${validTo > Date.now() ? 'valid until' : 'EXPIRED since'} ${iso(validTo)}`
}

function iso(time: number): string {
  return new Date(Math.round(time)).toISOString()
}
