/** What caused an error. */
export type ErrorSource = 'client' | 'upstream' | 'gateway' | 'plugin'

export interface OutcomeKind {
  readonly source: ErrorSource
  /** Default status of the response to the client; 0 when the client is gone. */
  readonly status: number
  /** RFC 9457 `title`: the text for the client. */
  readonly title: string
  /** RFC 9209 `Proxy-Status` error type, where one fits. */
  readonly proxyStatus?: string
}

/** Envoy's response flags where the meaning is the same; codes that begin with P, and GE, are Postern's own. */
export type OutcomeCode =
  | 'NR'
  | 'PN'
  | 'DPE'
  | 'LD'
  | 'BL'
  | 'CI'
  | 'DC'
  | 'UH'
  | 'UO'
  | 'UF'
  | 'UT'
  | 'UC'
  | 'UR'
  | 'UPE'
  | 'SI'
  | 'SD'
  | 'OM'
  | 'RL'
  | 'PD'
  | 'PE'
  | 'PT'
  | 'PM'
  | 'PQ'
  | 'GE'

/**
 * Every reason why a request or connection failed. The code is the outcome in logs and metrics, where codes of plugins
 * are followed by a colon and the plugin's name. A test keeps this table and the one in `core/README.md` the same.
 */
export const outcomes: Readonly<Record<OutcomeCode, OutcomeKind>> = {
  NR: { source: 'client', status: 404, title: 'no route matches', proxyStatus: 'destination_not_found' },
  PN: { source: 'client', status: 400, title: 'path not canonical', proxyStatus: 'http_request_error' },
  DPE: { source: 'client', status: 400, title: 'malformed request', proxyStatus: 'http_request_error' },
  LD: { source: 'client', status: 508, title: 'loop detected', proxyStatus: 'proxy_loop_detected' },
  BL: { source: 'client', status: 413, title: 'body too large', proxyStatus: 'http_request_error' },
  CI: { source: 'client', status: 408, title: 'client too slow', proxyStatus: 'http_request_error' },
  DC: { source: 'client', status: 0, title: 'client went away' },
  UH: { source: 'upstream', status: 503, title: 'no healthy backend', proxyStatus: 'destination_unavailable' },
  UO: {
    source: 'upstream',
    status: 503,
    title: 'backends are busy',
    proxyStatus: 'connection_limit_reached',
  },
  UF: { source: 'upstream', status: 502, title: 'backend not reachable', proxyStatus: 'connection_refused' },
  UT: { source: 'upstream', status: 504, title: 'answer took too long', proxyStatus: 'http_response_timeout' },
  UC: { source: 'upstream', status: 502, title: 'backend closed early', proxyStatus: 'connection_terminated' },
  UR: { source: 'upstream', status: 502, title: 'backend reset', proxyStatus: 'connection_terminated' },
  UPE: { source: 'upstream', status: 502, title: 'malformed response', proxyStatus: 'http_protocol_error' },
  SI: { source: 'upstream', status: 504, title: 'no data for too long', proxyStatus: 'connection_read_timeout' },
  SD: { source: 'gateway', status: 503, title: 'shutting down', proxyStatus: 'proxy_internal_response' },
  OM: { source: 'gateway', status: 503, title: 'gateway overloaded', proxyStatus: 'connection_limit_reached' },
  RL: { source: 'plugin', status: 429, title: 'rate limited', proxyStatus: 'http_request_denied' },
  PD: { source: 'plugin', status: 403, title: 'denied by policy', proxyStatus: 'http_request_denied' },
  PE: { source: 'plugin', status: 500, title: 'policy failed', proxyStatus: 'proxy_internal_error' },
  PT: { source: 'plugin', status: 500, title: 'policy out of time', proxyStatus: 'proxy_internal_error' },
  PM: { source: 'plugin', status: 500, title: 'policy out of memory', proxyStatus: 'proxy_internal_error' },
  PQ: { source: 'plugin', status: 503, title: 'policy quarantined', proxyStatus: 'proxy_internal_error' },
  GE: { source: 'gateway', status: 500, title: 'internal error', proxyStatus: 'proxy_internal_error' },
}

export interface PosternErrorOptions {
  readonly cause?: unknown
  readonly plugin?: string | undefined
  /** Of the response. Default: that of the code. */
  readonly status?: number
  /** Further headers of the response. */
  readonly headers?: readonly (readonly [string, string])[]
  /** RFC 9457 `detail`: what the client has to know to do better. */
  readonly detail?: string
}

/** Why a request or connection failed. The message is for the log, never for the client. */
export class PosternError extends Error {
  override readonly name = 'PosternError'
  readonly code: OutcomeCode
  /** Outcome as logged: the code, followed by the plugin's name for errors of a plugin. */
  readonly outcome: string
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly detail: string | undefined

  constructor(code: OutcomeCode, message: string, options: PosternErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.outcome = options.plugin === undefined ? code : `${code}:${options.plugin}`
    this.status = options.status ?? outcomes[code].status
    this.headers = options.headers ?? []
    this.detail = options.detail
  }

  get source(): ErrorSource {
    return outcomes[this.code].source
  }
}

/** Whatever was thrown, as an error of the gateway: `GE` if it is no other. */
export function asPosternError(error: unknown): PosternError {
  if (error instanceof PosternError) return error
  return new PosternError('GE', error instanceof Error ? error.message : String(error), { cause: error })
}
