import { type Logger, pino } from 'pino'
import { type Secret, Secrets } from '../config/secrets.ts'
import type { LogConfig } from '../config/types.ts'
import { type OutcomeCode, outcomes, type PosternError } from '../errors.ts'
import type { PluginLine } from '../grants/plugin-log.ts'
import { Repeats } from '../grants/repeats.ts'
import type { HookResult } from '../hooks/chain.ts'
import type { FlowFacts } from '../hooks/scopes.ts'
import { writeAccessLine } from './access-line.ts'
import { standardOutput } from './standard-output.ts'
import type { FlowEnd, FlowEvent, FlowObserver, HandshakeEvent, MalformedEvent } from './tap.ts'

/** The gateway's log: one JSON object per line. Default: on standard output, where a terminal shows short lines. */
export class Log implements FlowObserver {
  readonly #pino: Logger
  readonly #destination: LineStream
  /** Which access records are written: all, those of faults, or none. */
  #records: 'all' | 'faults' | 'none' = 'all'
  #secrets = new Secrets()
  /** A policy that fails may do so for every request. */
  readonly #failures = new Repeats()
  /** Those of the configuration in force. */
  #configured: readonly Secret[] = []

  constructor(stream: LineStream = standardOutput()) {
    this.#destination = stream
    this.#pino = pino({ base: null, timestamp, formatters: { level } }, this.#destination)
  }

  /** Applies the log settings of a new configuration. @param secrets are redacted from every message. */
  configure(config: LogConfig, secrets: readonly Secret[]): void {
    this.#pino.level = config.level
    if (!config.access || !this.#pino.isLevelEnabled('warn')) this.#records = 'none'
    else this.#records = this.#pino.isLevelEnabled('info') ? 'all' : 'faults'
    // Flows of the previous configuration may still run, and its secrets be in their messages.
    this.#secrets = new Secrets([...secrets, ...this.#configured])
    this.#configured = secrets
  }

  /**
   * Writes what is batched; resolves after 1 s at the latest, even if the reader of the log has stopped reading. Returns
   * false then: a thread may wait for the reader, and `process.exit` for the thread.
   */
  flush(): Promise<boolean> {
    this.#failures.flush()
    const stream = this.#destination as Partial<Flushable>
    if (stream.flush === undefined) return Promise.resolve(true)
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), flushLimit)
      stream.flush?.(() => {
        clearTimeout(timer)
        resolve(true)
      })
    })
  }

  /** A line that a plugin wrote. */
  plugin(line: PluginLine): void {
    const { level: how, message, fields, ...who } = line
    this.#pino[how]({ ...who, fields: this.#secrets.redactAll(fields) }, this.#secrets.redact(message))
  }

  info(event: string, facts: Record<string, unknown> = {}): void {
    this.#pino.info(this.#secrets.redactValues(facts), event)
  }

  warn(event: string, facts: Record<string, unknown> = {}): void {
    this.#pino.warn(this.#secrets.redactValues(facts), event)
  }

  error(event: string, facts: Record<string, unknown> = {}): void {
    this.#pino.error(this.#secrets.redactValues(facts), event)
  }

  observe(event: FlowEvent): void {
    if (event.kind === 'end') this.#end(event)
    else if (event.kind === 'malformed') this.#malformed(event)
    else if (event.kind === 'handshake') this.#handshake(event)
    else if (event.result.error !== undefined) this.#policyFailed(event.flow, event.result, event.result.error)
  }

  #end(end: FlowEnd): void {
    const { outcome } = end.flow
    const isAFault = outcome !== '' && isFault(outcome)
    if (this.#records === 'none' || (this.#records === 'faults' && !isAFault)) return
    writeAccessLine(this.#destination, recordStart(isAFault), end, this.#cause(end.error))
  }

  #malformed({ id, listener, client, method, path, error }: MalformedEvent): void {
    if (this.#records !== 'all') return
    const { status, outcome } = error
    const record = { id, listener, client, method, path, status, outcome, cause: this.#cause(error) }
    this.#pino.info(record, 'request')
  }

  #handshake({ msg, id, listener, client, port, serverName, alert, ms, error }: HandshakeEvent): void {
    const { outcome } = error
    const isAFault = isFault(outcome)
    if (this.#records === 'none' || (this.#records === 'faults' && !isAFault)) return
    const cause = this.#cause(error)
    const record = { id, listener, client, port, serverName, alert, outcome, cause, ms: Math.round(ms * 1000) / 1000 }
    if (isAFault) this.#pino.warn(record, msg)
    else this.#pino.info(record, msg)
  }

  #policyFailed(flow: FlowFacts, { policy, hook }: HookResult, error: PosternError): void {
    const { message } = error
    const facts = {
      policy: policy.name,
      plugin: policy.plugin,
      hook,
      outcome: error.outcome,
      onFailure: policy.onFailure,
      request: flow.request?.id,
      route: flow.routeName,
      cause: message,
    }
    this.#failures.add(policy.name, `${hook} ${message}`, (count) => {
      this.#pino.warn(this.#secrets.redactValues(count === 1 ? facts : { ...facts, count }), 'policy failed')
    })
  }

  /** Without the stack of a plugin's error, which its own record has. */
  #cause(error: PosternError | undefined): string | undefined {
    if (error === undefined) return undefined
    // Not cut before: the redactor does not recognize a part of a secret.
    return this.#secrets.redact(error.message).split('\n', 1)[0]?.slice(0, longestCause)
  }
}

/** Characters of a cause in an access record: a plugin may throw any text, for each request. */
const longestCause = 500

/** Where lines go. */
export interface LineStream {
  /**
   * One line with its end, or several.
   *
   * @param isAscii they hold nothing but ASCII. Default: that is not known.
   */
  write(lines: string, isAscii?: boolean): void
}

interface Flushable {
  flush(done: (error?: Error | null) => void): void
}

const flushLimit = 1000

let lastTime = 0
let lastStamp = ''
let lastStart = ''

/** Formatted once a millisecond: a new date for each record took 4 % of the CPU time of a request. */
function timestamp(): string {
  const now = Date.now()
  if (now !== lastTime) {
    lastTime = now
    lastStamp = `,"time":"${new Date(now).toISOString()}"`
    lastStart = `{"level":"info"${lastStamp}`
  }
  return lastStamp
}

/** How an access record begins. */
function recordStart(isAFault: boolean): string {
  const stamp = timestamp()
  return isAFault ? `{"level":"warn"${stamp}` : lastStart
}

/** Whether a backend, the gateway or a plugin failed. A refusal by a client's request or by a policy is no fault. */
function isFault(outcome: string): boolean {
  const colon = outcome.indexOf(':')
  const code = (colon === -1 ? outcome : outcome.slice(0, colon)) as OutcomeCode
  return outcomes[code].source !== 'client' && code !== 'RL' && code !== 'PD'
}

function level(label: string): { level: string } {
  return { level: label }
}
