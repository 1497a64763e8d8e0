/** What the peer has said in its SETTINGS (RFC 9113 §6.5.2, RFC 8441 §3). */
export interface PeerSettings {
  readonly headerTableSize: number
  /** Most streams that it lets this side have open. Default: no limit. */
  readonly maxConcurrentStreams: number
  /** Window that streams to it begin with, bytes. */
  readonly initialWindow: number
  /** Largest header list that it takes, bytes; only advice. Default: no limit. */
  readonly maxHeaderListSize: number
  /** A server: it takes extended CONNECT. */
  readonly enableConnectProtocol: boolean
}
