import type { Backend } from '../../sdk/backend.ts'
import type { Health } from '../../sdk/health.ts'
import type { Traffic } from '../../sdk/hooks.ts'

/** What a hook sees of a flow. All members are optional. */
export interface TestFlow {
  /** Default: `{ ip: '192.0.2.1', port: 50000 }`. */
  readonly client?: { readonly ip?: string; readonly port?: number | undefined }
  /** Default: the client's address. */
  readonly peer?: { readonly ip: string }
  /** Default: `{ port: 8080 }`. */
  readonly local?: { readonly port: number }
  /** What the TLS handshake said. Default: the connection is not TLS. */
  readonly tls?: TestTls
  /** Default: `web`. */
  readonly listener?: string
  /** Default: absent. */
  readonly route?: string
  /** Default: absent. */
  readonly upstream?: string
  /** L7 only. Default: `GET http://example.com/` without headers. */
  readonly request?: TestRequest
  /** L7 only, for `onResponse` and `onClose`. Default: status 200 without headers. */
  readonly response?: {
    readonly status?: number
    /** Default: none, as of a request that is no gRPC call. */
    readonly grpcStatus?: number
    readonly headers?: Readonly<Record<string, string>>
    readonly body?: string | Uint8Array
  }
  /** For `onRequestBody` and `onResponseBody`. Default: an empty last chunk. */
  readonly chunk?: { readonly bytes: string | Uint8Array; readonly last?: boolean }
  /** Candidates of `selectBackend`. Default: none. */
  readonly backends?: readonly TestBackend[]
  /**
   * The backend that was used; for `checkHealth` the one to check. Default: absent; for `checkHealth` `{ id: 'backend'
   * }`.
   */
  readonly backend?: TestBackend
  /** Default: empty, which means success. */
  readonly outcome?: string
  /** L4 only, for `onClose`. Default: nothing. */
  readonly traffic?: Partial<Traffic>
  /** State that an earlier hook stored. Default: absent. */
  readonly state?: string | undefined
}

/** Default: TLS 1.3 with `TLS_AES_128_GCM_SHA256`, without a server name, ALPN and a client certificate. */
export interface TestTls {
  readonly serverName?: string
  /** Default: `alpn` alone. */
  readonly offered?: readonly string[]
  readonly version?: '1.2' | '1.3'
  readonly cipher?: string
  readonly alpn?: string
  readonly client?: TestCertificate
}

/** Default: a certificate of `CN=client`, signed by `CN=authority`, without alternative names, verified. */
export interface TestCertificate {
  readonly subject?: string
  readonly issuer?: string
  readonly serial?: string
  readonly san?: readonly string[]
  readonly fingerprint?: string
  readonly verified?: boolean
}

export interface TestRequest {
  readonly method?: string
  /** Default: `https` with `tls`, else `http`. */
  readonly scheme?: string
  readonly host?: string
  readonly path?: string
  /** Without the `?`. */
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly id?: string
  readonly consumer?: string | undefined
  /** Default: no body. */
  readonly body?: string | Uint8Array
}

/** Default: weight 1, nothing active, not draining, no labels, the address `<id>:80`. */
export type TestBackend = Pick<Backend, 'id'> & Partial<Backend>

/** What a hook did. */
export interface TestResult {
  reply?: { status: number; headers: Record<string, string>; body: string; reason: string }
  /** Request headers that were set, by lower-case name. */
  requestHeaders: Record<string, string>
  removedRequestHeaders: string[]
  /** Response headers that were set or added, in order; for `onRequest` those that it has prepared. */
  responseHeaders: [name: string, value: string][]
  /** Response headers that were removed, or, for `onRequest`, that will be. */
  removedResponseHeaders: string[]
  upstream?: string
  consumer?: string
  /** The body, or the chunk, that replaces the one the hook was given. */
  body?: Uint8Array
  state?: string
  /** Identifier of the chosen backend. */
  backend?: string
  /** Verdict of `checkHealth`. */
  health?: Health
}
