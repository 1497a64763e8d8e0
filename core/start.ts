import { orderApart } from './acme/order-apart.ts'
import { Renewals } from './acme/renewals.ts'
import { takeStored } from './acme/take-stored.ts'
import { checkConfig } from './check/check.ts'
import { ConfigError } from './config/config-error.ts'
import { Gateway } from './gateway.ts'
import { createGrantHost } from './grants/grant-host.ts'
import { createEventLog } from './sandbox/event-log.ts'
import { type LineStream, Log } from './telemetry/log.ts'
import { TicketRotation } from './tls/ticket-rotation.ts'

export { ConfigError } from './config/config-error.ts'

export interface StartOptions {
  /** Path of the configuration. Default: `gateway.json` in the working directory. */
  readonly config?: string
  /** The variables of `${env:NAME}`. Default: the environment of the process. */
  readonly env?: NodeJS.ProcessEnv
  /** Receives the log, one JSON object per line. Default: standard output. */
  readonly log?: LineStream
}

/** A gateway that runs in this process. */
export interface RunningGateway {
  readonly gateway: Gateway
  /**
   * Reads the configuration again. One that is invalid, or cannot be applied, changes nothing.
   *
   * @throws {ConfigError} when it is invalid; the gateway is still running the previous configuration.
   */
  reload(): Promise<void>
  /** Accepts nothing new, finishes what is in progress within the configured `drain` time, and closes. */
  drain(): Promise<void>
  /** Closes everything immediately. */
  close(): Promise<void>
}

/**
 * Starts a gateway inside this process, all or nothing: for tests, and for programs with their own process
 * management. A plugin that crashes V8 ends this process; `postern run` isolates crashes in worker processes.
 *
 * @throws {ConfigError} when the configuration is invalid.
 * @throws {Error} when a listener cannot be bound.
 */
export async function startGateway(options: StartOptions = {}): Promise<RunningGateway> {
  const log = new Log(options.log)
  const grants = createGrantHost({ onLog: (line) => log.plugin(line) })
  const gateway = new Gateway({ log, grants, onEvent: createEventLog(log) })
  const rotation = new TicketRotation((secrets) => gateway.tickets.adopt(secrets))
  const renewals = new Renewals({
    log,
    state: gateway.acme,
    order: orderApart,
    challenge: async (challenges) => gateway.acme.challenge(challenges),
    onIssued: (certificate) => gateway.acme.install([certificate]),
  })
  renewals.lead(true)
  let turn: Promise<unknown> = Promise.resolve()
  let closing = false

  const apply = async (): Promise<void> => {
    const checked = await checkConfig(options.config ?? 'gateway.json', { env: options.env ?? process.env })
    if (!checked.ok) throw new ConfigError(checked.problems)
    const prepared = await gateway.prepare(checked)
    takeStored(gateway.acme, checked.config.acme, log)
    prepared.commit()
    renewals.adopt(checked.config.acme)
    for (const warning of checked.warnings) log.warn('configuration', { ...warning })
  }
  const close = async (): Promise<void> => {
    closing = true
    renewals.close()
    rotation.close()
    gateway.close()
    await log.flush()
  }
  try {
    await apply()
  } catch (error) {
    await close()
    throw error
  }
  return {
    gateway,
    reload: () => {
      const next = turn.then(() => (closing ? undefined : apply()))
      turn = next.catch(() => {})
      return next
    },
    drain: async () => {
      closing = true
      renewals.close()
      await gateway.drain()
      rotation.close()
      await log.flush()
    },
    close,
  }
}
