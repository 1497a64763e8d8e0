import { onTestFinished } from 'vitest'
import type { PosternError } from '../../core/errors.ts'
import { CONSUMED } from '../../core/http/exchange.ts'
import { Fields } from '../../core/http/fields.ts'
import type { Fate, UpstreamExchange, UpstreamOwner, UpstreamRequest } from '../../core/http/upstream-exchange.ts'
import { type SessionLimits, sessionLimits } from '../../core/http2/client-connection.ts'
import { Http2Pool } from '../../core/http2/connection-pool.ts'
import { connectTo } from '../../core/net/connect.ts'
import { until } from '../helpers/until.ts'

export interface AskOptions extends Partial<Omit<UpstreamRequest, 'fields'>> {
  readonly fields?: readonly string[]
  /** The request's body; `true` leaves it to the test. Default: none. */
  readonly body?: string | true
  readonly trailers?: readonly string[]
  /** Default 5000. */
  readonly timeout?: number
  /** Whether the owner has `onWhole`. Default false. */
  readonly whole?: boolean
  /** Calls of the owner that the test replaces. */
  readonly owner?: Partial<UpstreamOwner>
}

/** What an owner has been told, in order: `connected wanted head:200 data:3 end`. */
export class Asked {
  readonly calls: string[] = []
  exchange!: UpstreamExchange
  interim: number[] = []
  status = 0
  fields = new Fields()
  body = ''
  error: PosternError | undefined
  fate: Fate | undefined
  over = false

  get trailers(): readonly string[] | undefined {
    return this.exchange.trailers?.list
  }

  async ended(): Promise<this> {
    await until(
      () => `an end after ${this.calls.join(' ')}`,
      () => this.over,
    )
    return this
  }

  /** Waits for a call. */
  async told(call: string): Promise<this> {
    await until(
      () => `${call} after ${this.calls.join(' ')}`,
      () => this.calls.includes(call),
    )
    return this
  }
}

/** A pool that is closed when the test is over. */
export function poolOf(port: number, limits: Partial<SessionLimits> = {}): Http2Pool {
  const backend = { host: '127.0.0.1', port, address: `127.0.0.1:${port}` }
  const pool = new Http2Pool(backend, connectTo, { ...sessionLimits, ...limits })
  onTestFinished(() => pool.close())
  return pool
}

/** Sends a request and notes what its owner is told. */
export function ask(pool: Http2Pool, options: AskOptions = {}): Asked {
  const asked = new Asked()
  const { fields = ['host', 'a.test'], body, trailers, timeout = 5000, whole, owner, ...rest } = options
  const request = {
    method: 'GET',
    target: '/',
    hasBody: body !== undefined,
    ...rest,
    fields: new Fields([...fields], true),
  }
  const note = (call: string): void => void asked.calls.push(call)
  const head = (status: number, headers: Fields, version: string): void => {
    note(`head:${status}`)
    if (version !== '2') throw new Error(`version ${version}`)
    asked.status = status
    asked.fields = headers
  }
  let isSent = false
  const noting: UpstreamOwner = {
    onConnected: () => note('connected'),
    onBodyWanted: () => {
      note('wanted')
      if (typeof body !== 'string' || isSent) return
      isSent = true
      asked.exchange.write(Buffer.from(body, 'latin1'))
      asked.exchange.end(trailers && new Fields([...trailers], true))
    },
    onInterim: (status) => {
      note(`interim:${status}`)
      asked.interim.push(status)
    },
    onHead: (status, _reason, headers, version) => head(status, headers, version),
    onData: (chunk) => {
      note(`data:${chunk.length}`)
      asked.body += Buffer.from(chunk).toString('latin1')
      return CONSUMED
    },
    onEnd: () => {
      note('end')
      asked.over = true
    },
    onFail: (error, fate) => {
      note(`fail:${error.code}`)
      asked.error = error
      asked.fate = fate
      asked.over = true
    },
  }
  if (whole) {
    noting.onWhole = (status, _reason, headers, version, text) => {
      head(status, headers, version)
      note('whole')
      asked.body = text
      asked.over = true
    }
  }
  asked.exchange = pool.send(request, timeout, { ...noting, ...owner })
  if (asked.calls.length > 0) throw new Error('the owner was called inside `send`')
  return asked
}
